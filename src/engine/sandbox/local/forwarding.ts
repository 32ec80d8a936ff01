import { readFile, writeFile } from 'node:fs/promises';
import { readNetworkState, writeNetworkState } from './network-state.ts';

const forwardingSwitch = '/proc/sys/net/ipv4/ip_forward';

/**
 * Makes this host forward IPv4, which NAT needs, and remembers it if that is a change. The switch is the host's: one who counts on it by
 * then (another Thaw, a container engine started later) loses it when we put it back, and turns it on again at its own next start.
 */
export async function turnForwardingOn(dataDir: string): Promise<void> {
  if (await isForwardingOn()) return;
  const state = await readNetworkState(dataDir);
  if (state) await writeNetworkState(dataDir, { ...state, changed: { ...state.changed, forwarding: true } });
  await writeFile(forwardingSwitch, '1');
}

export async function turnForwardingOff(): Promise<void> {
  await writeFile(forwardingSwitch, '0');
}

async function isForwardingOn(): Promise<boolean> {
  return (await readFile(forwardingSwitch, 'utf8')).trim() === '1';
}
