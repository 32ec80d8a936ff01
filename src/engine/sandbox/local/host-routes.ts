import { z } from 'zod';
import type { NetworkNames } from './network-names.ts';
import { networkTool } from './network-tool.ts';
import { formatRange, mergeRanges, parseRange } from './subnet.ts';

/** Of `ip -json route`. `type` is there where it is not unicast; what leads through a gateway has one of the last three. */
const Route = z.object({
  dst: z.string(),
  dev: z.string().optional(),
  type: z.string().optional(),
  gateway: z.unknown().optional(),
  via: z.unknown().optional(),
  nexthops: z.unknown().optional(),
});
type Route = z.infer<typeof Route>;

/** Routes shorter than /8, such as the two halves 0.0.0.0/1 and 128.0.0.0/1 of a VPN, are default routes by another name. */
const shortestRealPrefix = 8;

/** IPv4 routes of all tables, default ones left out. */
export async function readHostRoutes(): Promise<Route[]> {
  return parseRoutes(await readIpJson('route', 'show', 'table', 'all'));
}

export async function readIpJson(...command: string[]): Promise<unknown> {
  const { stdout } = await networkTool(`reading the host's ${command[0]} list`, ['ip', '-4', '-json', ...command]);
  return JSON.parse(stdout || '[]');
}

/**
 * Where the host itself is at home: its addresses, and the networks it reaches without a router. They may be public ones (a data centre's
 * LAN, a company's), and are no more the internet than private ranges are. As nftables writes intervals, in order.
 */
export async function readHostNetworks(names: NetworkNames): Promise<string[]> {
  return hostNetworks(await readIpJson('route', 'show', 'table', 'all'), names);
}

/** `listed`: what `ip -4 -json route show table all` says. */
export function hostNetworks(listed: unknown, { bridge }: Pick<NetworkNames, 'bridge'>): string[] {
  const near = parseRoutes(listed).filter((route) => route.dev !== bridge && isNear(route));
  return mergeRanges(near.map(({ dst }) => parseRange(dst))).map(formatRange);
}

function parseRoutes(listed: unknown): Route[] {
  return z
    .array(Route)
    .parse(listed)
    .filter(({ dst }) => dst !== 'default' && prefixOf(dst) >= shortestRealPrefix);
}

function isNear({ type = 'unicast', gateway, via, nexthops }: Route): boolean {
  if (type === 'local' || type === 'broadcast') return true;
  return type === 'unicast' && gateway === undefined && via === undefined && nexthops === undefined;
}

function prefixOf(destination: string): number {
  return Number(destination.split('/')[1] ?? 32);
}
