import { z } from 'zod';
import { findProgram } from '#src/platform/find-program.ts';
import { run } from '#src/platform/subprocess.ts';
import { type Condition, type Finding, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';

export async function checkNetwork(): Promise<Finding[]> {
  const [bridgeFilter, chains] = await Promise.all([readText('/proc/sys/net/bridge/bridge-nf-call-iptables'), readForwardDrops()]);
  return [judgeBridgeFilter(bridgeFilter), judgeForwarding(chains)];
}

/** @param value of net.bridge.bridge-nf-call-iptables, undefined where the module is not loaded */
export function judgeBridgeFilter(value: string | undefined): Finding {
  const condition: Condition = {
    id: 'bridge_netfilter',
    title: 'Bridge netfilter',
    cost: "packets on Thaw's bridge also pass the host's iptables rules, which may drop what Thaw allows",
    fix: 'sysctl net.bridge.bridge-nf-call-iptables=0, unless Kubernetes or Docker on this host needs it.',
  };
  return value === '1' ? warn(condition, 'on') : pass(condition, value === '0' ? 'off' : 'not loaded');
}

/** @param drops chains at the forward hook that drop by default, as `family table chain` */
export function judgeForwarding(drops: readonly string[]): Finding {
  const condition: Condition = {
    id: 'forwarding',
    title: 'Firewall',
    cost: 'instances with egress "internet" reach nothing; all else works',
    fix: "Let Thaw's bridges through, with Docker: iptables -I DOCKER-USER -i 'thaw-+' -j ACCEPT, and the same with -o.",
  };
  return drops.length > 0
    ? warn(condition, `forwarded packets are dropped by ${drops.join(', ')}`)
    : pass(condition, 'nothing drops forwarded packets');
}

const NftChains = z.object({
  nftables: z.array(
    z.object({
      chain: z
        .object({ family: z.string(), table: z.string(), name: z.string(), hook: z.string().optional(), policy: z.string().optional() })
        .optional(),
    }),
  ),
});

/** Reads the answer of `nft --json list chains`. Thaw's own tables do not count. */
export function parseForwardDrops(json: string): string[] {
  return NftChains.parse(JSON.parse(json)).nftables.flatMap(({ chain }) =>
    chain?.hook === 'forward' && chain.policy === 'drop' && !chain.table.startsWith('thaw')
      ? [`${chain.family} ${chain.table} ${chain.name}`]
      : [],
  );
}

async function readForwardDrops(): Promise<string[]> {
  const nft = findProgram('nft');
  if (nft === undefined) return [];
  try {
    return parseForwardDrops((await run([nft, '--json', 'list', 'chains'], { timeoutMs: 5000 })).stdout);
  } catch {
    return []; // without the right to list them there is a failure of its own
  }
}
