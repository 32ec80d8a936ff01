import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import type { Connection } from '#src/engine/connection.ts';
import { type InspectedProcess, socketHolders } from './read-process.ts';
import { type InetSocket, readFullNetlinkSockets, readInetSockets, tcpStates } from './socket-tables.ts';

/** As the kernel names them, IPv6 included (criu/sockets.c, criu/sk-inet.c). */
const dumpable = /^(?:TCP|UDP|UDPLITE|UDP-Lite|RAW|PING)(?:v6)?$|^UNIX(?:-STREAM)?$|^NETLINK$|^PACKET$/;

type Found = Pick<CheckpointFinding, 'kind' | 'severity' | 'detail' | 'fix'>;

/**
 * Sockets that stop a checkpoint, or the restore after it, and those that a checkpoint costs.
 * `address`: the instance's own, which no clone has. `protocols`: by inode (socket-protocols.ts).
 */
export function findSocketTroubles(
  processes: readonly InspectedProcess[],
  protocols: ReadonlyMap<string, string>,
  address: string,
): CheckpointFinding[] {
  const [first] = processes;
  if (first === undefined) return [];
  const holders = socketHolders(processes);
  const at = (inode: string, found: Found): CheckpointFinding[] => {
    const holder = holders.get(inode);
    return holder === undefined ? [] : [{ process: holder.label, ...found }];
  };
  const tcp = [...readInetSockets(first.pid, 'tcp'), ...readInetSockets(first.pid, 'tcp6')];
  const udp = [...readInetSockets(first.pid, 'udp'), ...readInetSockets(first.pid, 'udp6')];
  return [
    ...[...protocols].filter(([, name]) => !dumpable.test(name)).flatMap(([inode, name]) => at(inode, unknownProtocol(name))),
    ...readFullNetlinkSockets(first.pid).flatMap((inode) => at(inode, unreadNetlink)),
    ...udp.filter(({ sendQueueBytes }) => sendQueueBytes > 0).flatMap(({ inode, local }) => at(inode, corked(local))),
    ...[...tcp.filter(isListening), ...udp]
      .filter(({ local }) => hostOf(local) === address)
      .flatMap(({ inode, local }) => at(inode, ownAddress(local))),
    ...tcp
      .filter((socket) => isListening(socket) && socket.receiveQueueBytes > 0)
      .flatMap(({ inode, local }) => at(inode, knocking(local))),
  ];
}

/** The connections that a checkpoint closes. */
export function connectionFindings(connections: readonly Connection[]): CheckpointFinding[] {
  return connections.map(({ protocol, local, peer, process }) => ({
    kind: 'connection',
    severity: 'costs',
    process,
    detail: `a ${protocol} connection from ${local} to ${peer} is closed by it`,
    fix: 'Close it in hooks.beforeCheckpoint and open it again in hooks.afterRestore.',
  }));
}

const isListening = ({ state }: InetSocket) => state === tcpStates.listen;
const hostOf = (address: string) => address.replace(/:\d+$/, '');

function unknownProtocol(name: string): Found {
  const isMptcp = name.startsWith('MPTCP');
  return {
    kind: 'socket',
    severity: 'stops',
    detail: `a socket of the protocol ${name === '' ? 'unknown' : name} is open`,
    fix: isMptcp ? 'Switch MPTCP off (Go: GODEBUG=multipathtcp=0).' : 'Close it before the checkpoint.',
  };
}

const unreadNetlink: Found = {
  kind: 'socket',
  severity: 'stops',
  detail: 'a netlink socket holds answers that the app has not read',
  fix: 'Read them, or close it before the checkpoint.',
};

function corked(local: string): Found {
  return {
    kind: 'socket',
    severity: 'stops',
    detail: `the UDP socket at ${local} holds data that it has not sent (UDP_CORK)`,
    fix: 'Send it before the checkpoint.',
  };
}

function ownAddress(local: string): Found {
  return {
    kind: 'address',
    severity: 'stops',
    detail: `a socket is bound to the address of this one instance: ${local}; no clone has it`,
    fix: 'Listen on 0.0.0.0; close connected UDP sockets (resolvers, metrics, syslog) before the checkpoint.',
  };
}

function knocking(local: string): Found {
  return {
    kind: 'socket',
    severity: 'costs',
    detail: `connections to ${local} that the app has not accepted yet are dropped`,
    fix: 'Keep clients away from the primer.',
  };
}
