import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import { watchedRoots } from '#src/engine/criu/engine-deps.ts';
import { run } from '#src/platform/subprocess.ts';
import type { InspectedProcess, Watch } from './read-process.ts';

const searchTimeoutMs = 60_000;

/** What is watched by inotify must be found by its path, because a clone watches it by that: a reason to stop where CRIU would not find it. */
export async function findWatchTroubles(process: InspectedProcess): Promise<CheckpointFinding[]> {
  const watches = process.files.flatMap(({ watches }) => watches);
  const found = await Promise.all(watches.map((watch) => canBeFound(process, watch)));
  const lost = watches.filter((_, at) => found[at] !== true);
  if (lost.length === 0) return [];
  return [
    {
      kind: 'watch',
      severity: 'stops',
      process: process.label,
      detail: `it watches ${lost.length} files or directories by inotify that can not be told by their path (${lost.map(({ inode }) => `inode ${inode}`).join(', ')})`,
      fix: 'Watch no single file that is mounted by itself (/etc/hosts), and keep what is watched in one of the usual directories of the root.',
    },
  ];
}

/** As CRIU looks: in the directories mounted of that device; on the root, which is an overlay, in those it is told of. */
async function canBeFound({ pid, mounts }: InspectedProcess, { inode, device }: Watch): Promise<boolean> {
  const root = `/proc/${pid}/root`;
  const points = mounts.filter((mount) => mount.device === device).map(({ mountPoint }) => mountPoint);
  if (points.includes('/') && String(inodeOf(`${root}/`)) === inode) return true;
  const directories = points.flatMap((point) => (point === '/' ? watchedRoots : [point])).map((path) => join(root, path));
  const present = directories.filter((path) => inodeOf(path) !== undefined);
  if (present.length === 0) return false;
  const { stdout } = await run(['find', ...present, '-xdev', '-inum', inode, '-print', '-quit'] as const, {
    timeoutMs: searchTimeoutMs,
    okCodes: [1],
  });
  return stdout !== '';
}

/** Of a directory; undefined for anything else. */
function inodeOf(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() ? stats.ino : undefined;
}
