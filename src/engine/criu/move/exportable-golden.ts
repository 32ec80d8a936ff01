import type { Writable } from 'node:stream';
import { writeGoldenArchive } from '#src/engine/criu/archives/write-archive.ts';
import { readHeader } from '#src/engine/criu/encryption/data-key.ts';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import type { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { goldenDirectory, goldenLayout } from '#src/engine/criu/instance-layout.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { writeEncryptedArchive } from './encrypted-archive.ts';
import type { Subject } from './write-checkpoint-image.ts';

/** A golden as an export sees it. */
export interface Exportable extends Subject {
  /** Of all its files; an archive of it is a little larger. */
  readonly sizeBytes: number;
  writeArchive(sink: Writable, signal: AbortSignal): Promise<unknown>;
}

/** A golden can be deleted while it is exported: whatever that makes fail, golden_missing is told. */
export async function whileThere<T>(goldens: GoldenStore, golden: GoldenId, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (isThawError(error) || goldens.has(golden)) throw error;
    const fix = 'Export another golden of the template.';
    throw new ThawError('golden_missing', `golden ${golden} was deleted while it was exported`, { fix, cause: error });
  }
}

/** An encrypted golden stays so, and needs no key, unless plain memory is asked for. Throws what opening and proving a golden throws. */
export async function readExport(
  deps: Pick<CriuDeps, 'paths' | 'images'>,
  goldens: GoldenStore,
  golden: GoldenId,
  { plain }: { readonly plain: boolean },
): Promise<Exportable> {
  const directory = goldenDirectory(deps.paths, golden);
  const header = plain ? undefined : readHeader(directory);
  if (header) {
    const { digest, sizeBytes } = await goldens.requireSealed(golden, goldenLayout(directory));
    const write = (sink: Writable, signal: AbortSignal) => writeEncryptedArchive(directory, sink, signal);
    return { golden, digest, sizeBytes, imageDigest: header.imageDigest, writeArchive: write };
  }
  const open = await goldens.open(golden);
  const { digest, sizeBytes } = open.seal;
  const write = (sink: Writable, signal: AbortSignal) => writeGoldenArchive(deps, open, sink, signal);
  return { golden, digest, sizeBytes, imageDigest: open.record.imageDigest, writeArchive: write };
}
