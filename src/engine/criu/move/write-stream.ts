import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { PassThrough, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';

export interface WrittenStream {
  /** `sha256:…` of the file. */
  readonly digest: string;
  /** `sha256:…` of what was written into the sink: the same where nothing was packed. */
  readonly plainDigest: string;
  readonly sizeBytes: number;
}

/** Memory packs well at the lowest level, and faster than most networks take it. */
const packing = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } };

/** What `write` writes into its sink goes into a new file, 0600, hashed on the way. Throws what either side fails by. */
export async function writeStream(
  file: string,
  { isPacked }: { isPacked: boolean },
  write: (sink: Writable, signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<WrittenStream> {
  const sink = new PassThrough();
  sink.on('error', () => {}); // told by the pipeline, which may have ended when the writer destroys it
  const broken = new AbortController();
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  let sizeBytes = 0;
  const count = through(packed, (bytes) => {
    sizeBytes += bytes;
  });
  const target = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  const packer = isPacked ? [createZstdCompress(packing)] : [];
  const flowing = pipeline([sink, through(plain), ...packer, count, target], { signal }).catch((error: unknown) => {
    broken.abort(error);
    throw error;
  });
  const writing = write(sink, AbortSignal.any([signal, broken.signal])).catch((error: unknown) => {
    sink.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  const [flowed, written] = await Promise.allSettled([flowing, writing]);
  if (flowed.status === 'rejected') throw flowed.reason; // whichever failed first: the other's reason is this one
  if (written.status === 'rejected') throw written.reason;
  return { digest: digestOf(packed), plainDigest: digestOf(plain), sizeBytes };
}

/** Of a file that another program wrote. */
export async function hashFile(file: string, signal: AbortSignal): Promise<{ digest: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of createReadStream(file, { signal })) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { digest: digestOf(hash), sizeBytes };
}

function through(hash: Hash, tell?: (bytes: number) => void): Transform {
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      tell?.(piece.length);
      done(null, piece);
    },
  });
}

function digestOf(hash: Hash): string {
  return `sha256:${hash.digest('hex')}`;
}
