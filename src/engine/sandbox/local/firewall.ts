import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import type { NetworkNames } from './network-names.ts';
import { networkTool } from './network-tool.ts';
import { emptyRuleset, hostNetworksChange, type Policy, ruleset } from './ruleset.ts';
import type { Subnet } from './subnet.ts';

/** Replaces our tables. Open connections of instances live on. */
export async function applyFirewall(names: NetworkNames, subnet: Subnet, policy: Policy): Promise<void> {
  await networkTool(`setting up the firewall of ${names.bridge}`, ['nft', '-f', '-'], { input: ruleset(names, subnet, policy) });
}

export async function removeFirewall(names: NetworkNames): Promise<void> {
  await networkTool(`removing the firewall of ${names.bridge}`, ['nft', '-f', '-'], { input: emptyRuleset(names) });
}

export async function changeHostNetworks(names: NetworkNames, networks: readonly string[]): Promise<void> {
  const input = hostNetworksChange(names, networks);
  await networkTool(`telling the firewall of ${names.bridge} the host's networks`, ['nft', '-f', '-'], { input });
}

export async function allowInternet(names: NetworkNames, address: string): Promise<void> {
  await networkTool(`giving ${address} egress`, ['nft', `add element inet ${names.table} internet { ${address} }`]);
}

/** Ends open connections too. An address that has none, or a firewall that someone flushed, is no failure. */
export async function denyInternet(names: NetworkNames, address: string): Promise<void> {
  const what = `taking egress from ${address}`;
  const { exitCode, stderr } = await networkTool(what, ['nft', `delete element inet ${names.table} internet { ${address} }`], {
    okCodes: [1],
  });
  if (exitCode !== 0 && !stderr.includes('No such file or directory'))
    throw new ThawError('subprocess_failed', `${what} failed: ${stderr.trim()}`);
}

/** Of `nft -j list set`; a set without elements has no `elem`. */
const SetListing = z.object({ nftables: z.array(z.object({ set: z.object({ elem: z.array(z.ipv4()).default([]) }).optional() })) });

/** Addresses that the firewall lets out; undefined when one of our tables is not there. The kernel answers both questions in 5 ms each. */
export async function listInternet({ table }: NetworkNames): Promise<string[] | undefined> {
  const [set, chains] = await Promise.all([
    networkTool(`listing who has egress in ${table}`, ['nft', '-j', 'list', 'set', 'inet', table, 'internet'], { okCodes: [1] }),
    networkTool('listing the chains of bridges', ['nft', 'list', 'chains', 'bridge']), // without the thousands of elements that a table has
  ]);
  if (set.exitCode !== 0 || !chains.stdout.includes(`table bridge ${table} {`)) return undefined;
  return SetListing.parse(JSON.parse(set.stdout)).nftables.flatMap((item) => item.set?.elem ?? []);
}
