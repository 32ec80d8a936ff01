import { type FileHandle, open } from 'node:fs/promises';
import { isErrnoError } from '#src/platform/errno.ts';
import { type ChunkCipher, chunkBytes, type FileIdentity, openChunkCipher, prefixBytes, tagBytes } from './chunk-cipher.ts';

const sealedBytes = chunkBytes + tagBytes;

/** A file that is not what was encrypted under that name. */
export class TamperedFileError extends Error {
  override readonly name = 'TamperedFileError';
  readonly file: string;
  /** Goes on from the name of the file. */
  readonly what: string;

  constructor(file: string, what: string, cause?: unknown) {
    super(`${file} ${what}`, cause === undefined ? undefined : { cause });
    this.file = file;
    this.what = what;
  }
}

/**
 * The plain bytes of a file, each chunk proven before it is answered and the next one read meanwhile; throws TamperedFileError. What was
 * answered before that is no whole file.
 */
export async function* decryptFile(key: Buffer, identity: FileIdentity, file: string): AsyncGenerator<Buffer> {
  await using handle = await openFile(file);
  const { size } = await handle.stat();
  const cipher = openChunkCipher(key, identity, await read(handle, file, 0, prefixBytes));
  const count = Math.ceil((size - prefixBytes) / sealedBytes);
  if (count < 1) throw new TamperedFileError(file, `was cut to ${size} bytes`);
  const readChunk = (index: number) => {
    const start = prefixBytes + index * sealedBytes;
    return read(handle, file, start, Math.min(sealedBytes, size - start));
  };
  let next = readChunk(0);
  for (let index = 0; index < count; index += 1) {
    const sealed = await next;
    const isLast = index === count - 1;
    if (!isLast) {
      next = readChunk(index + 1);
      next.catch(() => {}); // told when its turn comes
    }
    yield decryptChunk(cipher, file, sealed, index, isLast);
  }
}

function decryptChunk(cipher: ChunkCipher, file: string, sealed: Buffer, index: number, isLast: boolean): Buffer {
  try {
    return cipher.decrypt(sealed, index, isLast);
  } catch (error) {
    throw new TamperedFileError(
      file,
      `is not what was encrypted: chunk ${index}${isLast ? ', the last,' : ''} was altered, moved or cut`,
      error,
    );
  }
}

async function read(handle: FileHandle, file: string, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, start);
  if (bytesRead < length) throw new TamperedFileError(file, `was cut at byte ${start + bytesRead}`);
  return buffer;
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    throw isErrnoError(error, 'ENOENT') ? new TamperedFileError(file, 'is missing') : error;
  }
}
