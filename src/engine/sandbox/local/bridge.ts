import { access, writeFile } from 'node:fs/promises';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { NetworkNames } from './network-names.ts';
import { ipBatch, networkTool } from './network-tool.ts';
import { gatewayOf, macOf, type Subnet, subnetBits } from './subnet.ts';

/** Makes the bridge, or what is missing of it. */
export async function makeBridge(names: NetworkNames, subnet: Subnet): Promise<void> {
  const gateway = gatewayOf(subnet);
  const what = `making the bridge ${names.bridge}`;
  if (!(await linkExists(names.bridge))) {
    // An address of its own, or the bridge would take its lowest port's, and instances would cache one that goes away.
    await ipBatch(what, [`link add ${names.bridge} address ${macOf(gateway)} type bridge forward_delay 0 mcast_snooping 0`]);
  }
  await turnIpv6Off(names.bridge);
  await ipBatch(what, [`addr replace ${gateway}/${subnetBits} dev ${names.bridge}`, `link set ${names.bridge} up`]);
}

/** Removes an interface; one that is gone is no failure. */
export async function removeLink(name: string): Promise<void> {
  const { stderr } = await networkTool(`removing ${name}`, ['ip', 'link', 'del', name], { okCodes: [1] });
  if (await linkExists(name)) throw new ThawError('subprocess_failed', `removing ${name} failed: ${stderr.trim()}`);
}

/** No address of the host by which instances could meet it without our rules for IPv4. */
async function turnIpv6Off(link: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/ipv6/conf/${link}/disable_ipv6`, '1');
  } catch (error) {
    if (!isErrnoError(error, 'ENOENT')) throw error; // a kernel without IPv6
  }
}

export async function linkExists(name: string): Promise<boolean> {
  try {
    await access(`/sys/class/net/${name}`);
    return true;
  } catch {
    return false;
  }
}
