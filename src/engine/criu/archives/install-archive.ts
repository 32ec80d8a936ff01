import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import type { GoldenLayout } from '#src/engine/criu/instance-layout.ts';
import type { Workload } from '#src/engine/workload.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { ArchiveContents } from './archive.ts';
import { installForeign } from './install-foreign.ts';
import { installOwn } from './install-own.ts';

/** For which golden an archive is installed. */
export interface WantedGolden {
  readonly golden: GoldenId;
  readonly workload: Workload;
  /** Of the template's image, which is on this node. */
  readonly imageDigest: string;
}

/**
 * Makes the files of a golden from an unpacked archive, in an empty directory on the same file system; takes the archive's files away.
 * `sealed`: it is one of ours, and its own manifest came along, which is for the caller to compare (`verifySeal`). Otherwise the caller seals.
 * Throws archive_invalid, archive_unsupported for what no clone can be made of, with what to do about it, and the reason of `signal`.
 */
export async function installArchive(
  deps: CriuDeps,
  contents: ArchiveContents,
  wanted: WantedGolden,
  target: GoldenLayout,
  signal: AbortSignal,
): Promise<{ sealed: boolean }> {
  if (contents.engine === 'thaw') return await installOwn(contents.layout, target, signal);
  await installForeign(deps, contents, wanted, target, signal);
  return { sealed: false };
}
