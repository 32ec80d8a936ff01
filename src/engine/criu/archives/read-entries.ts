import { type Duplex, type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isThawError } from '#src/platform/errors.ts';
import { noArchive, showName } from './archive-problems.ts';
import { type EntryContent, readHeader, readTar, type TarHeader } from './tar-header.ts';

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
