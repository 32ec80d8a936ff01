import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Cidr } from '#src/platform/cidr.ts';

/** Who sent a request, as far as that can be believed. */
export interface Client {
  readonly address: string;
  /** How it reached us, or the proxy before us. */
  readonly protocol: 'http' | 'https';
  /** What it called us, with the port if it named one; empty when it named nothing. */
  readonly host: string;
  /** The addresses on the way, the client's first: what X-Forwarded-For says to whoever is next. */
  readonly forwardedFor: string;
}

export type ReadClient = (request: IncomingMessage) => Client;

/** X-Forwarded-For, -Proto and -Host are believed from the given networks alone: anybody can write them. */
export function createClientReader(trustedProxies: readonly Cidr[]): ReadClient {
  const trusted = new BlockList();
  for (const { address, prefix, family } of trustedProxies) trusted.addSubnet(address, prefix, family);
  const isTrusted = (address: string) => isIP(address) !== 0 && trusted.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  return (request) => {
    const peer = plainAddress(request.socket.remoteAddress ?? '');
    const host = request.headers.host ?? '';
    const protocol = request.socket instanceof TLSSocket ? 'https' : 'http';
    if (trustedProxies.length === 0 || !isTrusted(peer)) return { address: peer, protocol, host, forwardedFor: peer };
    const path = [...entries(request.headers['x-forwarded-for']).map(plainAddress), peer];
    const said = entries(request.headers['x-forwarded-proto']).at(-1);
    return {
      address: nearestStranger(path, isTrusted),
      protocol: said === 'https' || said === 'http' ? said : protocol,
      host: entries(request.headers['x-forwarded-host']).at(-1) ?? host,
      forwardedFor: path.join(', '),
    };
  };
}

/** The nearest address that is no proxy of ours: what stands left of it was written by strangers. */
function nearestStranger(path: readonly string[], isTrusted: (address: string) => boolean): string {
  const at = path.findLastIndex((address) => !isTrusted(address));
  const found = path[at] ?? path[0] ?? '';
  return isIP(found) === 0 ? (path[at + 1] ?? '') : found; // not an address: we know no farther than the proxy that wrote it
}

/** IPv4 as such also where it came in over an IPv6 socket. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

function entries(header: string | string[] | undefined): string[] {
  return [header ?? []].flat().flatMap((line) => line.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()])));
}
