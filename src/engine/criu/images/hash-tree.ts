import { createHash, type Hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { Semaphore } from '#src/platform/semaphore.ts';

export interface TreeHash {
  /** `sha256:…` */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Devices, sockets and fifos: no part of the digest. Full paths, as bytes. */
  readonly specials: readonly Buffer[];
}

interface Walk {
  readonly device: number;
  readonly files: Semaphore;
  readonly specials: Buffer[];
  readonly signal: AbortSignal | undefined;
  sizeBytes: number;
}

const filesAtOnce = 8;
const maxChunkBytes = 1024 * 1024;

/**
 * Hashes names, types, modes, owners, sizes, link targets and contents of a tree, on one filesystem. Names are bytes: not all are UTF-8.
 * Times are left out, so that a copy is equal; extended attributes, too, as the store does not keep them.
 */
export async function hashTree(root: string, signal?: AbortSignal): Promise<TreeHash> {
  const path = Buffer.from(root);
  const stats = await lstat(path);
  const walk: Walk = { device: stats.dev, files: new Semaphore(filesAtOnce), specials: [], signal, sizeBytes: 0 };
  const hash = await hashDirectory(walk, path, stats);
  return { digest: `sha256:${hash.toString('hex')}`, sizeBytes: walk.sizeBytes, specials: walk.specials };
}

/** Undefined for what is no part of the digest. */
async function hashEntry(walk: Walk, path: Buffer, stats: Stats): Promise<Buffer | undefined> {
  walk.signal?.throwIfAborted();
  if (stats.isFile()) {
    walk.sizeBytes += stats.size;
    return await walk.files.run(() => hashContent(begin('file', stats), path, stats.size));
  }
  if (stats.isDirectory()) return await hashDirectory(walk, path, stats);
  if (stats.isSymbolicLink()) {
    return begin('link', stats)
      .update(await readlink(path, { encoding: 'buffer' }))
      .digest();
  }
  walk.specials.push(path);
  return undefined;
}

/** Over name and hash of each entry in the order of their bytes. A mount point counts as an empty directory: `cp -x` makes it one. */
async function hashDirectory(walk: Walk, path: Buffer, stats: Stats): Promise<Buffer> {
  const names = stats.dev === walk.device ? (await readdir(path, { encoding: 'buffer' })).sort(Buffer.compare) : [];
  const entries = await Promise.all(
    names.map(async (name) => {
      const entryPath = Buffer.concat([path, Buffer.from('/'), name]);
      return { name, hash: await hashEntry(walk, entryPath, await lstat(entryPath)) };
    }),
  );
  const hash = begin('directory', stats);
  for (const entry of entries) {
    if (entry.hash) hash.update(`${entry.name.length} `).update(entry.name).update(entry.hash);
  }
  return hash.digest();
}

async function hashContent(hash: Hash, path: Buffer, sizeBytes: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(Math.min(sizeBytes + 1, maxChunkBytes)); // one byte more: a short read ends the file without another
  const file = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length);
      hash.update(chunk.subarray(0, bytesRead));
      if (bytesRead < chunk.length) return hash.digest();
    }
  } finally {
    await file.close();
  }
}

function begin(type: 'file' | 'directory' | 'link', stats: Stats): Hash {
  const mode = type === 'link' ? '' : (stats.mode & 0o7777).toString(8); // a link's mode means nothing
  return createHash('sha256').update(`${type} ${mode} ${stats.uid}:${stats.gid}\n`);
}
