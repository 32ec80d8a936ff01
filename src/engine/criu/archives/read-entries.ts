import { type Duplex, type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isThawError } from '#src/platform/errors.ts';
import { noArchive, showName } from './archive-problems.ts';
import { type EntryContent, readHeader, readTar, type TarHeader } from './tar-header.ts';

/**
 * tar-stream 3 and GNU tar, which unpacks what is read here, differ about PAX headers that are for all entries: with one that tells a size, each
 * would find other entries than the other.
 */
const NoGlobals = z.object({ _paxGlobal: z.null() });

/** Writers end a tar with two blocks of zeros: without them the rest is missing, even where the cut fell between two entries. */
const endBytes = 1024;

/**
 * Reads the tar that `stages` give from its beginning to its end; `onEntry` may read the content, what it leaves is passed over. Rejects with what `onEntry` threw,
 * the reason of `signal` when aborted, else archive_invalid: what `called` (as "the archive") is no tar, not whole, or could not be read.
 */
export async function readEntries(
  stages: readonly [Readable, ...Duplex[]],
  called: string,
  signal: AbortSignal,
  onEntry: (header: TarHeader, content: EntryContent) => Promise<void>,
): Promise<void> {
  const tar = readTar();
  let tail: Buffer = Buffer.alloc(0);
  const watchEnd = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      tail = Buffer.concat([tail, chunk.subarray(-endBytes)]).subarray(-endBytes);
      done(null, chunk);
    },
  });
  let last = '';
  const each = async () => {
    for await (const entry of tar) {
      const header = readHeader(entry.header);
      last = header.name;
      if (!NoGlobals.safeParse(tar).success) throw noArchive(called, 'has a header for all its entries, which no engine writes');
      await onEntry(header, entry);
      entry.resume();
    }
  };
  const results = await Promise.allSettled([each(), pipeline([...stages, watchEnd, tar], { signal })]);
  signal.throwIfAborted();
  const failures = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []));
  const [failure] = [...failures.filter((error) => isThawError(error)), ...failures];
  if (isThawError(failure)) throw failure;
  if (failure !== undefined) throw noArchive(called, `is no tar, or damaged${after(last)} (${String(failure)})`, failure);
  if (tail.length < endBytes || tail.some((byte) => byte !== 0)) throw noArchive(called, `is cut off${after(last)}: it has no end`);
}

function after(entry: string): string {
  return entry === '' ? '' : ` in or after its entry ${showName(entry)}`;
}
