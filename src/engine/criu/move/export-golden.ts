import { link, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import { layoutSource, registrySource } from '#src/engine/criu/images/image-source.ts';
import { pushAsIs } from '#src/engine/criu/images/skopeo.ts';
import { resolveTargetPath, type TargetPath, targetExists } from '#src/engine/criu/images/target-path.ts';
import { requireDisk } from '#src/engine/criu/node-reserve.ts';
import type { ExportedGolden, ExportOptions, RunPhase } from '#src/engine/engine.ts';
import type { ArchivePlace, GoldenPlace } from '#src/engine/golden-place.ts';
import type { LayoutReference, RegistryReference } from '#src/engine/image-reference.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { run } from '#src/platform/subprocess.ts';
import { layoutTag } from './checkpoint-names.ts';
import type { Exportable } from './exportable-golden.ts';
import { openWorkspace, type Workspace } from './workspace.ts';
import { writeCheckpointImage } from './write-checkpoint-image.ts';
import { hashFile, writeStream } from './write-stream.ts';

const syncTimeoutMs = 300_000;

export type ExportDeps = Pick<CriuDeps, 'imageAccess' | 'diskReserveBytes' | 'paths'>;

/** One export under way. */
interface Export {
  readonly deps: ExportDeps;
  readonly golden: Exportable;
  readonly workspace: Workspace;
  readonly overwrite: boolean;
  readonly phase: RunPhase;
}

/**
 * Packs a golden and brings it there. What is written below the image roots is written beside its name first and belongs to root alone: it
 * holds the app's memory. Nothing half-made stays, not even of a crash (sweepWorkspaces).
 */
export async function exportGolden(
  deps: ExportDeps,
  golden: Exportable,
  place: GoldenPlace,
  { overwrite }: Pick<ExportOptions, 'overwrite'>,
  phase: RunPhase,
): Promise<ExportedGolden> {
  await using workspace = await openWorkspace(deps.paths.moves);
  const task: Export = { deps, golden, workspace, overwrite, phase };
  if (place.kind === 'registry') return await exportToRegistry(task, place);
  const target = await resolveTargetPath(deps.imageAccess.imageRoots, place, overwrite);
  await workspace.writesTo(target.partial);
  if (place.kind === 'archive') return await exportToArchive(task, place, target);
  if (place.kind === 'oci') return await exportToLayout(task, place, target);
  return await exportToDockerArchive(task, place, target);
}

async function exportToRegistry(task: Export, place: RegistryReference): Promise<ExportedGolden> {
  const { deps, workspace, phase } = task;
  const layout = join(workspace.directory, 'layout');
  const image = await phase('pack', (signal) => packImage(task, layout, { tag: layoutTag, isPacked: true }, signal));
  await phase('push', (signal) => pushAsIs(skopeoDeps(deps, workspace), layout, registrySource(place), signal));
  return image;
}

async function exportToLayout(task: Export, place: LayoutReference, target: TargetPath): Promise<ExportedGolden> {
  const image = await task.phase('pack', (signal) => packImage(task, target.partial, { tag: place.name, isPacked: true }, signal));
  await task.phase('push', () => publish(place, target, false));
  return image;
}

/** skopeo writes it from a layout of ours: as much disk again, while it does. */
async function exportToDockerArchive(task: Export, place: LayoutReference, target: TargetPath): Promise<ExportedGolden> {
  const { deps, workspace, golden, overwrite, phase } = task;
  const layout = join(workspace.directory, 'layout');
  requireSpace(task, dirname(target.path));
  await phase('pack', (signal) => packImage(task, layout, { tag: layoutTag, isPacked: false }, signal));
  return await phase('push', async (signal) => {
    requireDisk(`the export of ${golden.golden}`, dirname(target.path), golden.sizeBytes, deps.diskReserveBytes);
    await writeFile(target.partial, '', { mode: 0o600, flag: 'wx' }); // skopeo would let others read it, and takes an empty file as it is
    await pushAsIs(skopeoDeps(deps, workspace), layout, layoutSource(place, target.partial), signal);
    const file = await hashFile(target.partial, signal);
    await publish(place, target, overwrite);
    return file;
  });
}

async function exportToArchive(task: Export, place: ArchivePlace, target: TargetPath): Promise<ExportedGolden> {
  const { golden, overwrite, phase } = task;
  requireSpace(task, dirname(target.path));
  const { digest, sizeBytes } = await phase('pack', (stop) => writeStream(target.partial, { isPacked: false }, golden.writeArchive, stop));
  await phase('push', () => publish(place, target, overwrite));
  return { digest, sizeBytes };
}

function packImage(task: Export, layout: string, options: { tag: string | undefined; isPacked: boolean }, stop: AbortSignal) {
  const { golden } = task;
  requireSpace(task, dirname(layout));
  return writeCheckpointImage(layout, golden, options, golden.writeArchive, stop);
}

function requireSpace({ deps, golden }: Export, directory: string): void {
  requireDisk(`the export of ${golden.golden}`, directory, golden.sizeBytes, deps.diskReserveBytes);
}

/** Under its own name, whole and on the disk; what came there meanwhile is not overwritten unless that was asked for. */
async function publish({ text }: LayoutReference | ArchivePlace, { path, partial }: TargetPath, overwrite: boolean): Promise<void> {
  await run(['sync', '--file-system', partial], { timeoutMs: syncTimeoutMs }); // a rename may reach the disk before the files
  try {
    if (overwrite) return await rename(partial, path);
    await linkOrRename(partial, path);
  } catch (error) {
    if (!isErrnoError(error, 'EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR')) throw error;
    throw targetExists(text, path, 'has come into being meanwhile', `Choose another name than ${basename(path)}.`);
  }
}

/** A rename replaces a file that is there, a link does not; a directory can only be renamed, which replaces an empty one at most. */
async function linkOrRename(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
  } catch (error) {
    if (!isErrnoError(error, 'EPERM', 'ENOTSUP')) throw error; // a directory, or a file system without links
    return await rename(partial, path);
  }
  await rm(partial);
}

function skopeoDeps({ imageAccess }: ExportDeps, { directory }: Workspace) {
  return { ...imageAccess, tmpDir: directory };
}
