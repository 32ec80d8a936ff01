import { ThawError } from '#src/platform/errors.ts';

const shownCharactersMax = 200;

/** What is wrong with an archive, said of the entry it was found in. */
export function archiveInvalid(entry: string, why: string, cause?: unknown): ThawError {
  return new ThawError('archive_invalid', `the archive's entry ${showName(entry)} ${why}`, {
    fix: 'Make the archive again; do not restore one whose origin you do not know.',
    details: { entry: showName(entry) },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** As above, of what can not be read as an archive at all: `called` as "the archive", or a tar within it. */
export function noArchive(called: string, why: string, cause?: unknown): ThawError {
  return new ThawError('archive_invalid', `${called} ${why}`, {
    fix: 'Give a checkpoint archive (a tar, plain or packed with gzip or zstd), whole.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** As a limit: the one that whoever imports sets by what the disk has. */
export const bytesLimit = 'the bytes it may unpack to';

export function archiveTooLarge(entry: string | undefined, limit: string): ThawError {
  const where = entry === undefined ? '' : ` at its entry ${showName(entry)}`;
  return new ThawError('archive_too_large', `the archive exceeds ${limit}${where}`, {
    fix: 'Take a smaller checkpoint, or look where the archive comes from: it may be made to fill disks.',
    details: { limit, ...(entry === undefined ? {} : { entry: showName(entry) }) },
  });
}

/** Well-formed, but nothing that can run here; `fix` says how to get one that can. */
export function archiveUnsupported(what: string, fix: string): ThawError {
  return new ThawError('archive_unsupported', what, { fix });
}

/** A name of bytes as text, quoted, on one line. */
export function showName(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return JSON.stringify(text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`);
}
