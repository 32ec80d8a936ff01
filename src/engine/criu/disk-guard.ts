import { existsSync } from 'node:fs';
import type { InstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import type { CriuDeps } from './engine-deps.ts';
import { instanceLayout, readInstanceIds } from './instance-layout.ts';
import { readDiskFreeBytes } from './node-reserve.ts';

const lookEveryMs = 500;
/** One that wrote less is not what fills the disk: ending it would free nothing. */
const leastBytes = 64 * 1024 * 1024;

/**
 * Instances write to the disk that Redis keeps its record on, and no quota holds them. When half of the reserve is gone, the instance that
 * wrote most, and much, is ended, as a node evicts a pod: `end` is called with it and the bytes it had written. Answers how to stop.
 */
export function guardDisk(deps: CriuDeps, end: (id: InstanceId, writtenBytes: number) => Promise<void>): () => void {
  let isLooking = false;
  const look = async () => {
    if (isLooking || readDiskFreeBytes(deps.paths.dataDir) >= deps.diskReserveBytes / 2) return;
    isLooking = true;
    try {
      const [most] = (await measureWritten(deps)).sort((a, b) => b.bytes - a.bytes);
      if (most && most.bytes >= leastBytes) await end(most.id, most.bytes);
    } catch {
      // What can not be measured is tried again at the next look.
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look(), lookEveryMs);
  return () => clearInterval(timer);
}

/** What each instance has written to its own layer. Its log needs no measuring: conmon keeps that small. */
async function measureWritten({ paths }: CriuDeps): Promise<{ id: InstanceId; bytes: number }[]> {
  const byUpper = new Map(readInstanceIds(paths.instances).map((id) => [instanceLayout(paths, id).upper, id] as const));
  const directories = [...byUpper.keys()].filter((directory) => existsSync(directory));
  if (directories.length === 0) return []; // du without any would measure where this process stands
  const { stdout } = await run(['du', '--summarize', '--block-size=1', '--one-file-system', ...directories], {
    timeoutMs: 30_000,
    okCodes: [1],
  });
  return stdout.split('\n').flatMap((line) => {
    const [bytes, directory = ''] = line.split('\t');
    const id = byUpper.get(directory);
    return id === undefined ? [] : [{ id, bytes: Number(bytes) }];
  });
}
