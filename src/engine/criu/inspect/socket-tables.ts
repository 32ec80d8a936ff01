import { readFileSync } from 'node:fs';

/** A row of /proc/PID/net/tcp and its kin. Addresses as `10.1.0.2:80` or `[::1]:80`. */
export interface InetSocket {
  readonly protocol: 'tcp' | 'tcp6' | 'udp' | 'udp6';
  readonly local: string;
  readonly peer: string;
  /** linux/tcp_states.h. */
  readonly state: number;
  readonly sendQueueBytes: number;
  readonly receiveQueueBytes: number;
  readonly inode: string;
}

export const tcpStates = { established: 1, synSent: 2, listen: 10 } as const;

/** The TCP or UDP sockets of the network namespace of a process; those that are neither bound nor connected are in no table. */
export function readInetSockets(pid: number, protocol: InetSocket['protocol']): InetSocket[] {
  return readTable(pid, protocol).map(([, local = '', peer = '', state = '', queues = '', , , , , inode = '']) => {
    const [send = '0', receive = '0'] = queues.split(':');
    return {
      protocol,
      local: readAddress(local),
      peer: readAddress(peer),
      state: Number.parseInt(state, 16),
      sendQueueBytes: Number.parseInt(send, 16),
      receiveQueueBytes: Number.parseInt(receive, 16),
      inode,
    };
  });
}

/** Inodes of netlink sockets that have something to read. */
export function readFullNetlinkSockets(pid: number): string[] {
  return readTable(pid, 'netlink').flatMap(([, , , , received, , , , , inode]) => (received !== '0' && inode !== undefined ? [inode] : []));
}

/** The rows without the headings. A kernel without the protocol has no table. */
function readTable(pid: number, name: string): string[][] {
  try {
    const [, ...rows] = readFileSync(`/proc/${pid}/net/${name}`, 'utf8').trimEnd().split('\n');
    return rows.map((row) => row.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** `0100007F:1F90`: each group of eight digits is a number in the byte order of the machine, which is little-endian on all that we run on. */
function readAddress(text: string): string {
  const [hex = '', port = '0'] = text.split(':');
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((group) => [...Buffer.from(group, 'hex')].reverse());
  return `${bytes.length === 4 ? bytes.join('.') : readIpv6(bytes)}:${Number.parseInt(port, 16)}`;
}

function readIpv6(bytes: readonly number[]): string {
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (isMapped) return bytes.slice(12).join('.');
  const words = Array.from({ length: 8 }, (_, at) => (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16));
  return `[${words.join(':').replace(/(^|:)0(:0)+(:|$)/, '::')}]`;
}
