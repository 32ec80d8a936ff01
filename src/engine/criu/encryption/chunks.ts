import { fstatSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { chunkBytes } from './chunk-cipher.ts';

export interface Chunk {
  /** Good until the next chunk is asked for. */
  readonly plain: Buffer;
  readonly index: number;
  readonly isLast: boolean;
}

const lookEveryMs = 5;

/**
 * A file that may still be written, from its beginning to its end and never twice, until `isWhole`. It is in memory: to read a chunk takes a
 * fifth of a millisecond, and less than to hand it to the thread pool on a busy node.
 */
export async function* chunksOfFile(file: string, isWhole: () => boolean = () => true): AsyncGenerator<Chunk> {
  await using handle = await open(file, 'r');
  const buffer = Buffer.allocUnsafeSlow(chunkBytes); // one for all: new pages cost as much as their encryption
  for (let index = 0; ; ) {
    const wasWhole = isWhole(); // asked first: what is written after the look at its size is seen at the next one
    const { size } = fstatSync(handle.fd);
    const left = size - index * chunkBytes;
    const isLast = wasWhole && left <= chunkBytes;
    if (!isLast && left <= chunkBytes) {
      await delay(lookEveryMs);
      continue;
    }
    const length = Math.min(left, chunkBytes);
    if (readSync(handle.fd, buffer, 0, length, index * chunkBytes) < length) throw new Error(`${file} was cut while it was read`);
    yield { plain: buffer.subarray(0, length), index, isLast };
    if (isLast) return;
    index += 1;
  }
}

/** Pieces of any size, cut to chunks. One stays behind until the next has come, as the last must know that it is. */
export async function* chunksOfStream(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Chunk> {
  let index = 0;
  let held: Buffer | undefined;
  for await (const plain of inFull(pieces)) {
    if (held) yield { plain: held, index: index++, isLast: false };
    held = plain;
  }
  yield { plain: held ?? Buffer.alloc(0), index, isLast: true };
}

async function* inFull(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (let piece of pieces) {
    while (size + piece.length >= chunkBytes) {
      const taken = piece.subarray(0, chunkBytes - size);
      yield parts.length === 0 ? taken : Buffer.concat([...parts, taken]);
      piece = piece.subarray(taken.length);
      [parts, size] = [[], 0];
    }
    if (piece.length > 0) parts.push(piece);
    size += piece.length;
  }
  if (size > 0) yield Buffer.concat(parts);
}
