import type { Connection } from '#src/engine/connection.ts';
import type { InspectedProcess } from './read-process.ts';
import { socketHolders } from './read-process.ts';
import { type InetSocket, readInetSockets, tcpStates } from './socket-tables.ts';

/**
 * The TCP connections that processes of an instance hold, or are about to. What nobody has accepted yet is no process's; what one side has closed
 * is over. Connections within the instance are among them: a checkpoint closes both of their ends.
 */
export function listConnections(processes: readonly InspectedProcess[]): Connection[] {
  const [first] = processes;
  if (first === undefined) return [];
  const holders = socketHolders(processes);
  const connections = (protocol: 'tcp' | 'tcp6') =>
    readInetSockets(first.pid, protocol)
      .filter(isConnected)
      .flatMap(({ local, peer, inode }) => {
        const holder = holders.get(inode);
        return holder === undefined ? [] : [{ protocol, local, peer, process: holder.label }];
      });
  return [...connections('tcp'), ...connections('tcp6')];
}

function isConnected({ state }: InetSocket): boolean {
  return state === tcpStates.established || state === tcpStates.synSent;
}
