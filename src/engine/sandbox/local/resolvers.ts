import { isIPv4 } from 'node:net';
import { readTextFile } from './json-file.ts';

/** The host's resolvers as instances can use them. */
export interface InstanceDns {
  /** IPv4 addresses, at most three: the libc reads no more. */
  readonly resolvers: readonly string[];
  readonly resolvConf: string;
}

export interface ResolvConfPaths {
  readonly host: string;
  /** Where systemd-resolved names the servers behind its stub 127.0.0.53. */
  readonly upstream: string;
}

export const systemResolvConf: ResolvConfPaths = { host: '/etc/resolv.conf', upstream: '/run/systemd/resolve/resolv.conf' };

export async function readInstanceDns(paths: ResolvConfPaths): Promise<InstanceDns> {
  const [host, upstream] = await Promise.all([readTextFile(paths.host), readTextFile(paths.upstream)]);
  return instanceDns(host ?? '', upstream ?? '');
}

/** `host` and `upstream` are the texts of two resolv.conf files. A loopback resolver of the first stands for those of the second. */
export function instanceDns(host: string, upstream: string): InstanceDns {
  const servers = nameservers(host).flatMap((server) => (isLoopback(server) ? nameservers(upstream) : [server]));
  const resolvers = [...new Set(servers.filter(isReachable))].slice(0, 3);
  const others = linesOf(host).filter((line) => /^(domain|search|options)\s/.test(line));
  const lines = [...resolvers.map((server) => `nameserver ${server}`), ...others];
  return { resolvers, resolvConf: lines.map((line) => `${line}\n`).join('') };
}

/** No IPv6, no loopback of the host, and nothing in 169.254.0.0/16: Google's cloud has its resolver and its credentials at one address. */
function isReachable(server: string): boolean {
  return isIPv4(server) && !isLoopback(server) && !server.startsWith('169.254.') && !server.startsWith('0.');
}

function isLoopback(server: string): boolean {
  return server.startsWith('127.') || server === '::1';
}

function nameservers(text: string): string[] {
  return linesOf(text).flatMap((line) => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => line.trim());
}
