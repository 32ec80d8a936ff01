import { setImmediate } from 'node:timers/promises';
import type { GoldenDisk } from '#src/engine/engine.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { walkTree } from './walk-tree.ts';

/** Bytes of each inode, and of which golden it is: 'several' when more than one has it. */
interface StoredFile {
  readonly size: number;
  readonly of: GoldenId | 'several';
}

/** What the directories of goldens take; a file that several share counts once. One that is removed meanwhile is left out, as far as it is gone. */
export async function measureGoldens(directories: ReadonlyMap<GoldenId, string>): Promise<GoldenDisk> {
  const files = new Map<string, StoredFile>();
  for (const [golden, directory] of directories) {
    await setImmediate(); // a golden may have many files, and restores go on meanwhile
    for (const { inode, size } of listFiles(directory)) {
      const owner = files.get(inode)?.of ?? golden;
      files.set(inode, { size, of: owner === golden ? golden : 'several' });
    }
  }
  const uniqueBytes = new Map([...directories.keys()].map((golden) => [golden, 0]));
  let usedBytes = 0;
  for (const { size, of } of files.values()) {
    usedBytes += size;
    if (of !== 'several') uniqueBytes.set(of, (uniqueBytes.get(of) ?? 0) + size);
  }
  return { usedBytes, uniqueBytes };
}

function listFiles(directory: string): { inode: string; size: number }[] {
  const found: { inode: string; size: number }[] = [];
  try {
    for (const { stats } of walkTree(directory)) {
      if (stats.isFile()) found.push({ inode: `${stats.dev} ${stats.ino}`, size: Number(stats.size) });
    }
  } catch (error) {
    if (!isErrnoError(error, 'ENOENT')) throw error;
  }
  return found;
}
