import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { walkTree } from '#src/engine/criu/walk-tree.ts';
import type { WrappingKey } from '#src/engine/golden-keys/wrapping-key.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import { type Chunk, chunksOfFile, chunksOfStream } from './chunks.ts';
import { createDataKey } from './data-key.ts';
import { encryptFile } from './encrypt-file.ts';
import { packTree } from './pack-tree.ts';
import { fileList, packedDiff, sealedPath } from './sealed-path.ts';

const filesAtOnce = 2;
const lookEveryMs = 10;

export interface Encryption {
  /** Once all is written: encrypts the rest. Answers the sha256 of every encrypted file by its path in the golden. */
  finish(diff: string): Promise<ReadonlyMap<string, string>>;
  /** Answers when nothing is written any more. */
  cancel(): Promise<void>;
}

interface EncryptedGolden {
  readonly golden: GoldenId;
  readonly imageDigest: string;
  /** Where all files but the diff are, or will be, as they lie in a plain golden. */
  readonly plainDirectory: string;
  /** Where the encrypted ones go. */
  readonly directory: string;
}

/**
 * Makes a data key and begins to encrypt: CRIU's pages while it writes them, as a dump leaves one processor idle. What the app changed in its
 * root becomes one file, so that not even its names are left to see. A key that can not be had is told before anything is dumped.
 */
export async function beginEncryption(wrapping: WrappingKey, what: EncryptedGolden, signal: AbortSignal): Promise<Encryption> {
  const { golden, imageDigest, plainDirectory, directory } = what;
  const key = await createDataKey(wrapping, directory, { golden, imageDigest });
  const cancelled = new AbortController();
  const stop = AbortSignal.any([signal, cancelled.signal]);
  const places = new Semaphore(filesAtOnce);
  const sealed = new Map<string, string>();
  const jobs = new Map<string, Promise<void>>();
  let isWhole = false;
  const encrypt = (path: string, chunks: AsyncIterable<Chunk>) => {
    if (jobs.has(path)) return;
    const job = places.run(async () => {
      mkdirSync(dirname(join(directory, path)), { recursive: true, mode: 0o700 });
      sealed.set(path, await encryptFile(key, { golden, path }, chunks, join(directory, path), stop));
    });
    job.catch(() => {}); // told by finish
    jobs.set(path, job);
  };
  const encryptPlain = (path: string) =>
    encrypt(
      sealedPath(path),
      chunksOfFile(join(plainDirectory, path), () => isWhole || stop.aborted),
    );
  const following = (async () => {
    while (!isWhole && !stop.aborted) {
      for (const name of await listPages(join(plainDirectory, 'image'))) encryptPlain(join('image', name));
      await delay(lookEveryMs);
    }
  })();
  following.catch(() => {});
  return {
    finish: async (diff) => {
      isWhole = true;
      await following;
      for (const path of listFiles(plainDirectory)) encryptPlain(path);
      encrypt(packedDiff, chunksOfStream(packTree(diff)));
      encrypt(fileList, chunksOfStream([Buffer.from(JSON.stringify([...jobs.keys()]))]));
      const results = await Promise.allSettled(jobs.values());
      for (const result of results) if (result.status === 'rejected') throw result.reason; // all have ended: nothing is written after a clean-up
      return sealed;
    },
    cancel: async () => {
      cancelled.abort();
      await Promise.allSettled([following, ...jobs.values()]);
    },
  };
}

async function listPages(image: string): Promise<string[]> {
  try {
    return (await readdir(image)).filter((name) => /^pages-\d+\.img$/.test(name));
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The largest first: the many small ones go on beside it. */
function listFiles(directory: string): string[] {
  const files = [...walkTree(directory)].filter(({ stats }) => stats.isFile());
  return files.sort((a, b) => Number(b.stats.size - a.stats.size)).map(({ path }) => path);
}
