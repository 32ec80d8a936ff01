import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { readHostRoutes, readIpJson } from './host-routes.ts';
import type { NetworkNames } from './network-names.ts';
import { type AddressRange, findSubnet, overlapsAny, parseRange, type Subnet, subnetOf } from './subnet.ts';

const Links = z.array(z.object({ ifname: z.string(), addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() })) }));

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
  const links = Links.parse(await readIpJson('addr'));
  const own = links.find((link) => link.ifname === names.bridge)?.addr_info[0];
  if (own) return subnetOf(own.local);

  const taken = takenRanges(links, await readHostRoutes(), resolvers);
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

function takenRanges(links: z.infer<typeof Links>, routes: readonly { dst: string }[], resolvers: readonly string[]): AddressRange[] {
  const addresses = links.flatMap((link) => link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  return [...addresses, ...routes.map(({ dst }) => dst), ...resolvers].map(parseRange);
}
