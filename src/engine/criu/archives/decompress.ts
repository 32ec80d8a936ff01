import { type Duplex, Readable, Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { archiveTooLarge } from './archive-problems.ts';

/** So much may come out of anything: a ratio means little before. */
const freeBytes = 64 * 1024 * 1024;
const gzipMagic = 0x1f8b;
const zstdMagic = 0x28b52ffd;

export interface Decompressed {
  /** To be joined by a pipeline; the last gives the tar. */
  readonly stages: readonly [Readable, ...Duplex[]];
  /** So far, of the source. */
  readBytes(): number;
}

/**
 * Whether `source` is packed with gzip or zstd, as podman does unless told otherwise, its first bytes tell. The last stage fails with
 * archive_too_large when what comes out is more than `expansionRatio` times what went in.
 */
export async function decompress(source: Readable, expansionRatio: number): Promise<Decompressed> {
  let readBytes = 0;
  const chunks: AsyncIterator<Buffer> = source[Symbol.asyncIterator]();
  const first = await readAtLeast(chunks, 4);
  const counted = Readable.from(
    (async function* () {
      readBytes += first.length;
      if (first.length > 0) yield first;
      for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
        readBytes += chunk.length;
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
  const unpacker = unpackerOf(first);
  const stages: Decompressed['stages'] = unpacker ? [counted, unpacker, limitRatio(expansionRatio, () => readBytes)] : [counted];
  return { stages, readBytes: () => readBytes };
}

function unpackerOf(first: Buffer): Duplex | undefined {
  if (first.length >= 4 && first.readUInt32BE(0) === zstdMagic) return createZstdDecompress();
  return first.length >= 2 && first.readUInt16BE(0) === gzipMagic ? createGunzip() : undefined;
}

function limitRatio(ratio: number, readBytes: () => number): Transform {
  let unpackedBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      unpackedBytes += chunk.length;
      if (unpackedBytes <= freeBytes + readBytes() * ratio) done(null, chunk);
      else done(archiveTooLarge(undefined, `${ratio} unpacked bytes to each byte that it has`));
    },
  });
}

async function readAtLeast(chunks: AsyncIterator<Buffer>, bytes: number): Promise<Buffer> {
  const read: Buffer[] = [];
  for (let length = 0; length < bytes; ) {
    const next = await chunks.next();
    if (next.done) break;
    read.push(next.value);
    length += next.value.length;
  }
  return Buffer.concat(read);
}
