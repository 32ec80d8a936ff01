import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import { watchedRoots } from '#src/engine/criu/engine-deps.ts';
import { run } from '#src/platform/subprocess.ts';
import type { InspectedProcess, Watch } from './read-process.ts';

const searchTimeoutMs = 60_000;
const inodesTold = 5;

/** What is watched by inotify must be found by its path, because a clone watches it by that: a reason to stop where CRIU would not find it. */
export async function findWatchTroubles(processes: readonly InspectedProcess[]): Promise<CheckpointFinding[]> {
  const [first] = processes; // the mounts of all
  if (first === undefined) return [];
  const found = new Set<string>();
  for (const [device, watches] of Map.groupBy(processes.flatMap(watchesOf), (watch) => watch.device)) {
    const inodes = new Set(watches.map(({ inode }) => inode));
    for (const inode of await searchFor(first, device, inodes)) found.add(`${device} ${inode}`);
  }
  return processes.flatMap((process) => {
    const lost = watchesOf(process).filter(({ device, inode }) => !found.has(`${device} ${inode}`));
    return lost.length === 0 ? [] : [lostWatches(process, lost)];
  });
}

function watchesOf({ files }: InspectedProcess): Watch[] {
  return files.flatMap(({ watches }) => watches);
}

function lostWatches({ label }: InspectedProcess, lost: readonly Watch[]): CheckpointFinding {
  const named = lost.slice(0, inodesTold).map(({ inode }) => `inode ${inode}`);
  const more = lost.length > inodesTold ? ', …' : '';
  return {
    kind: 'watch',
    severity: 'stops',
    process: label,
    detail: `it watches ${lost.length} files or directories by inotify that can not be told by their path (${named.join(', ')}${more})`,
    fix: 'Watch no single file that is mounted by itself (/etc/hosts), and keep what is watched in one of the usual directories of the root.',
  };
}

/** Directories in, inodes on stdin, those of them that are there out. One walk for all of them, and no further than needed: an app can watch thousands. */
const search = `
my %wanted = map { chomp; $_ => 1 } <STDIN>;
open my $found, "-|", "find", @ARGV, "-xdev", "-printf", '%i\\n' or die $!;
while (%wanted and defined(my $inode = <$found>)) {
  chomp $inode;
  print "$inode\\n" if delete $wanted{$inode};
}`;

/** As CRIU looks: in the directories mounted of that device; on the root, which is an overlay, in those it is told of. */
async function searchFor({ pid, mounts }: InspectedProcess, device: string, inodes: ReadonlySet<string>): Promise<string[]> {
  const root = `/proc/${pid}/root`;
  const points = mounts.filter((mount) => mount.device === device).map(({ mountPoint }) => mountPoint);
  const directories = points.flatMap((point) => (point === '/' ? watchedRoots : [point])).map((path) => join(root, path));
  const present = directories.filter((path) => inodeOf(path) !== undefined);
  const top = points.includes('/') ? [inodeOf(`${root}/`) ?? ''] : [];
  if (present.length === 0) return top;
  const { stdout } = await run(['perl', '-e', search, ...present], { timeoutMs: searchTimeoutMs, input: `${[...inodes].join('\n')}\n` });
  return [...top, ...stdout.split('\n')];
}

/** Of a directory; undefined for anything else. */
function inodeOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() ? String(stats.ino) : undefined;
}
