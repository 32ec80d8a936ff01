import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import type { NetworkNames } from './network-names.ts';
import { runTool } from './run-tool.ts';
import { type AddressRange, findSubnet, overlapsAny, parseRange, type Subnet, subnetOf } from './subnet.ts';

const Links = z.array(z.object({ ifname: z.string(), addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() })) }));
const Routes = z.array(z.object({ dst: z.string() }));

/** Routes shorter than /8, such as the two halves 0.0.0.0/1 and 128.0.0.0/1 of a VPN, are default routes by another name. */
const shortestRealPrefix = 8;

/**
 * The subnet that our bridge has; without a bridge the remembered one, or one that the tag points to, which meets no route, address or
 * resolver of this host. Throws node_unfit when there is none.
 */
export async function chooseSubnet(
  names: NetworkNames,
  tag: string,
  remembered: string | undefined,
  resolvers: readonly string[],
): Promise<Subnet> {
  const links = Links.parse(await readJson('addr'));
  const own = links.find((link) => link.ifname === names.bridge)?.addr_info[0];
  if (own) return subnetOf(own.local);

  const taken = takenRanges(links, Routes.parse(await readJson('route', 'show', 'table', 'all')), resolvers);
  if (remembered !== undefined) {
    const subnet = { network: parseRange(remembered).first };
    if (!overlapsAny(subnet, taken)) return subnet;
  }
  const found = findSubnet(tag, taken);
  if (found) return found;
  throw new ThawError('node_unfit', 'no /20 of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 is free of routes and addresses of this host', {
    fix: '`ip route show table all` lists the routes; narrow those that cover whole private ranges.',
  });
}

function takenRanges(links: z.infer<typeof Links>, routes: z.infer<typeof Routes>, resolvers: readonly string[]): AddressRange[] {
  const addresses = links.flatMap((link) => link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  const destinations = routes.map((route) => route.dst).filter((dst) => dst !== 'default' && prefixOf(dst) >= shortestRealPrefix);
  return [...addresses, ...destinations, ...resolvers].map(parseRange);
}

function prefixOf(destination: string): number {
  return Number(destination.split('/')[1] ?? 32);
}

async function readJson(...command: string[]): Promise<unknown> {
  const { stdout } = await runTool(`reading the host's ${command[0]} list`, ['ip', '-4', '-json', ...command]);
  return JSON.parse(stdout || '[]');
}
