import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import { run } from '#src/platform/subprocess.ts';
import { type InspectedProcess, socketHolders } from './read-process.ts';

/**
 * Connections to unix sockets that the app has not accepted and that already hold data, or were closed again: CRIU can not dump those.
 * Only the kernel's socket diagnosis tells (ss, of iproute2): a listening socket lists the other ends that wait, 0 for one that is gone.
 */
export async function findUnixTroubles(processes: readonly InspectedProcess[]): Promise<CheckpointFinding[]> {
  const [first] = processes;
  if (first === undefined) return [];
  const { stdout } = await run(['nsenter', `--net=/proc/${first.pid}/ns/net`, 'ss', '--no-header', '-xane'], { timeoutMs: 10_000 });
  const rows = stdout.split('\n').map(readRow);
  const sending = new Set(rows.filter(({ sendQueueBytes }) => sendQueueBytes > 0).map(({ inode }) => inode));
  const holders = socketHolders(processes);
  return rows.flatMap(({ inode, path, waiting }) => {
    const holder = holders.get(inode);
    if (holder === undefined || !waiting.some((peer) => peer === '0' || sending.has(peer))) return [];
    const detail = `connections to ${path} wait that it has not accepted, and that hold data or are closed again`;
    return [{ kind: 'socket', severity: 'stops', process: holder.label, detail, fix: 'Accept them before the checkpoint.' }];
  });
}

/** `u_str LISTEN 1 5 /tmp/u 4711 * 0 <-> ino:… dev:… peers: 4712 0` */
function readRow(row: string) {
  const [, , , sendQueue = '0', path = '', inode = ''] = row.trim().split(/\s+/);
  const waiting = / peers:((?: \d+)+)/.exec(row)?.[1]?.trim().split(' ') ?? [];
  return { inode, path, waiting, sendQueueBytes: Number(sendQueue) };
}
