import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readBootId } from '#src/platform/boot-id.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** What Thaw must know of this host's network in its next life: <data directory>/network.json. */
const NetworkState = z.object({
  /** `10.1.16.0/20`: kept over reboots, so that an admin's own rules for it stay right. */
  subnet: z.string(),
  /** What we changed beyond our own bridge and tables, to be put back; it means nothing after the boot that it was done in. */
  changed: z.object({ bootId: z.string(), forwarding: z.boolean(), namespacesMount: z.boolean() }),
});
export type NetworkState = z.infer<typeof NetworkState>;

export async function readNetworkState(dataDir: string): Promise<NetworkState | undefined> {
  const state = await readJsonFile(statePath(dataDir), NetworkState);
  if (!state) return undefined;
  const bootId = readBootId();
  return state.changed.bootId === bootId ? state : { ...state, changed: nothingChanged(bootId) };
}

export function newNetworkState(subnet: string): NetworkState {
  return { subnet, changed: nothingChanged(readBootId()) };
}

export function writeNetworkState(dataDir: string, state: NetworkState): Promise<void> {
  return writeJsonFile(statePath(dataDir), state);
}

export function removeNetworkState(dataDir: string): Promise<void> {
  return rm(statePath(dataDir), { force: true });
}

function nothingChanged(bootId: string): NetworkState['changed'] {
  return { bootId, forwarding: false, namespacesMount: false };
}

function statePath(dataDir: string): string {
  return join(dataDir, 'network.json');
}
