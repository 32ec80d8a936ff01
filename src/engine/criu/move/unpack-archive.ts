import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ArchiveContents, type ArchiveEngine, defaultArchiveLimits, isEncryptedArchive } from '#src/engine/criu/archives/archive.ts';
import { bytesLimit } from '#src/engine/criu/archives/archive-problems.ts';
import { installArchive } from '#src/engine/criu/archives/install-archive.ts';
import { readArchive } from '#src/engine/criu/archives/read-archive.ts';
import { readHeader } from '#src/engine/criu/encryption/data-key.ts';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import { GoldenRecord } from '#src/engine/criu/golden-record.ts';
import { ensureExactImage } from '#src/engine/criu/images/exact-image.ts';
import { type GoldenLayout, goldenLayout } from '#src/engine/criu/instance-layout.ts';
import { readDiskFreeBytes } from '#src/engine/criu/node-reserve.ts';
import type { Workload } from '#src/engine/workload.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { installEncrypted } from './encrypted-archive.ts';

export interface UnpackedGolden {
  readonly engine: ArchiveEngine;
  /** All of it in one directory. */
  readonly layout: GoldenLayout;
  readonly imageDigest: string;
  /** By whoever made it: its manifest came along, and nothing was compared with it yet. */
  readonly isSealed: boolean;
  /** As it was elsewhere: it stays so, under the same key. */
  readonly isEncrypted: boolean;
}

/**
 * Unpacks an archive into the files of a golden below `directory`, and sees to it that the image below it is on this node.
 * Throws golden_incompatible, what readArchive and installArchive throw, what fetching an image throws.
 */
export async function unpackArchive(
  deps: CriuDeps,
  archive: string,
  { golden, workload }: { readonly golden: GoldenId; readonly workload: Workload },
  directory: string,
  signal: AbortSignal,
): Promise<UnpackedGolden> {
  const contents = await readWithinDisk(deps, archive, directory, signal);
  const { engine } = contents;
  const promised = engine === 'thaw' ? readPromise(contents) : undefined;
  const imageDigest = await ensureImage(deps, workload.image, promised, signal);
  const layout = goldenLayout(join(directory, 'golden'));
  if (isEncryptedArchive(contents.layout)) {
    installEncrypted(contents.layout, layout.directory);
    return { engine, layout, imageDigest, isSealed: true, isEncrypted: true };
  }
  mkdirSync(layout.directory, { mode: 0o700 });
  const { sealed } = await installArchive(deps, contents, { golden, workload, imageDigest }, layout, signal);
  return { engine, layout, imageDigest, isSealed: sealed, isEncrypted: false };
}

/** An archive can unpack to much more than it is, so the disk's reserve is what bounds it. */
async function readWithinDisk(deps: CriuDeps, archive: string, directory: string, signal: AbortSignal): Promise<ArchiveContents> {
  const spareBytes = Math.max(0, readDiskFreeBytes(directory) - deps.diskReserveBytes);
  const limits = { ...defaultArchiveLimits, bytes: Math.min(defaultArchiveLimits.bytes, spareBytes) };
  try {
    return await readArchive(createReadStream(archive), join(directory, 'unpacked'), limits, signal);
  } catch (error) {
    const isDisk = limits.bytes === spareBytes && isThawError(error, 'archive_too_large') && error.details.limit === bytesLimit;
    if (!isDisk) throw error;
    const spare = `${Math.floor(spareBytes / 1024 / 1024)} MB`;
    throw new ThawError(
      'disk_reserve',
      `the import of an archive needs more on the disk of ${directory} than the ${spare} above its reserve`,
      {
        fix: 'Delete goldens and images that are not in use, free disk space, or lower THAW_DISK_RESERVE_MB.',
        cause: error,
      },
    );
  }
}

/** The digest of the image that the golden says it lies on. Nothing else of it is believed before its seal is compared. */
function readPromise({ layout }: ArchiveContents): string {
  const header = readHeader(layout.own);
  if (header) return header.imageDigest;
  const file = goldenLayout(layout.own).record;
  const record = existsSync(file) ? GoldenRecord.safeParse(parseJson(readFileSync(file, 'utf8'))).data : undefined;
  if (!record) {
    throw new ThawError('archive_invalid', "the archive's entry thaw/golden.json is no record of a golden of this version", {
      fix: 'Export the golden again with this version.',
    });
  }
  const { arch } = record.fingerprint;
  if (arch === process.arch) return record.imageDigest;
  throw new ThawError('golden_incompatible', `the golden was taken on ${arch}, this machine is ${process.arch}`, {
    fix: 'Import it on such a machine.',
  });
}

async function ensureImage({ images }: CriuDeps, image: string, promised: string | undefined, signal: AbortSignal): Promise<string> {
  const fix = 'Import it into a template of the image that it was taken from.';
  return (await (promised === undefined ? images.ensure(image, signal) : ensureExactImage(images, image, promised, fix, signal))).digest;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
