import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type FileIdentity, openChunkCipher, prefixBytes } from './chunk-cipher.ts';
import type { Chunk } from './chunks.ts';

/** The disk begins early, so that the flush of the whole golden finds little left. */
const chunksBetweenFlushes = 32;

/**
 * Encrypts chunks into a new file, 0400: one is written while the next is encrypted. Answers the sha256 of what was written, made on the way:
 * a golden's files are not read again for its manifest.
 */
export async function encryptFile(
  key: Buffer,
  identity: FileIdentity,
  chunks: AsyncIterable<Chunk>,
  file: string,
  signal: AbortSignal,
): Promise<string> {
  const prefix = randomBytes(prefixBytes);
  const cipher = openChunkCipher(key, identity, prefix);
  const hash = createHash('sha256').update(prefix);
  await using handle = await open(file, 'wx', 0o400);
  let written = writeAll(handle, [prefix]);
  let flushed: Promise<unknown> = Promise.resolve();
  for await (const { plain, index, isLast } of chunks) {
    signal.throwIfAborted();
    const { sealed, tag } = cipher.encrypt(plain, index, isLast);
    hash.update(sealed).update(tag);
    await written;
    written = writeAll(handle, [sealed, tag]);
    written.catch(() => {}); // told at the next turn
    if (index % chunksBetweenFlushes === chunksBetweenFlushes - 1) flushed = Promise.all([flushed, written.then(() => handle.datasync())]);
    flushed.catch(() => {}); // told at the end
  }
  await written;
  await flushed;
  return hash.digest('hex');
}

/** The kernel may take less than it is given. */
async function writeAll(handle: FileHandle, buffers: Buffer[]): Promise<void> {
  const { bytesWritten } = await handle.writev(buffers);
  const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  if (bytesWritten < length) await handle.writeFile(Buffer.concat(buffers).subarray(bytesWritten));
}
