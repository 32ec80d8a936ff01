import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, openSync, read, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { z } from 'zod';
import { type TreeEntry, walkTree } from './walk-tree.ts';

export const HashedEntry = z.object({
  /** Below the root. Names are bytes, not all are UTF-8: each character here is one byte. */
  path: z.string(),
  type: z.enum(['file', 'directory', 'link', 'other']),
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  /** Of files, in bytes. */
  size: z.number(),
  /** sha256 of the bytes of a file, or the target of a link. */
  content: z.string(),
});
export type HashedEntry = z.infer<typeof HashedEntry>;

const entriesAtOnce = 8;
const chunkBytesMax = 1024 * 1024;
const readAsync = promisify(read);

/**
 * Everything below a directory with the hash of its content, in walkTree's order. Times are left out, so that a copy is equal; extended
 * attributes, too, as they mean nothing in what we keep. Files in `known` were hashed while they were written, by path.
 */
export async function* hashTree(root: string, signal?: AbortSignal, known?: ReadonlyMap<string, string>): AsyncGenerator<HashedEntry> {
  const pending: Promise<HashedEntry>[] = [];
  for (const entry of walkTree(root)) {
    signal?.throwIfAborted();
    const hashed = hashEntry(entry, known);
    hashed.catch(() => {}); // told when its turn comes; by then another may have ended this
    pending.push(hashed);
    const [first] = pending;
    if (first && pending.length >= entriesAtOnce) {
      yield await first;
      pending.shift();
    }
  }
  for (const hashed of pending) yield await hashed;
}

async function hashEntry({ path, location, stats }: TreeEntry, known: ReadonlyMap<string, string> | undefined): Promise<HashedEntry> {
  const type = typeOf(stats);
  const common = { path, type, mode: Number(stats.mode), uid: Number(stats.uid), gid: Number(stats.gid) };
  if (type === 'link') return { ...common, size: 0, content: readlinkSync(location, { encoding: 'buffer' }).toString('latin1') };
  if (type !== 'file') return { ...common, size: 0, content: '' };
  return { ...common, size: Number(stats.size), content: known?.get(path) ?? (await hashFile(location, Number(stats.size))) };
}

/** Opened before anything is waited for, as the location is good no longer. What is no file any more neither blocks nor leads elsewhere. */
export async function hashFile(location: Buffer, size: number): Promise<string> {
  const fd = openSync(location, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(Math.min(size + 1, chunkBytesMax)); // one byte more: a short read ends the file without another
    for (;;) {
      const { bytesRead } = await readAsync(fd, chunk, 0, chunk.length, null);
      hash.update(chunk.subarray(0, bytesRead));
      if (bytesRead < chunk.length) return hash.digest('hex');
    }
  } finally {
    closeSync(fd);
  }
}

function typeOf(stats: BigIntStats): HashedEntry['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : 'other';
}
