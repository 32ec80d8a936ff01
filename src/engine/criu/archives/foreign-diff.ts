import { chmodSync, createReadStream, existsSync, lchownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { runTool } from '#src/platform/run-tool.ts';
import { type ArchiveContents, type ArchiveLayout, archiveNames } from './archive.ts';
import { archiveInvalid } from './archive-problems.ts';
import { relativePath } from './check-layer.ts';
import { decompress } from './decompress.ts';
import { hiddenBelow } from './diff-parts.ts';
import { appAttributes } from './gnu-tar.ts';
import { lookBelow } from './look-below.ts';
import { readDump } from './read-engine.ts';
import { readEntries } from './read-entries.ts';
import { requireDirectories, unpackLayer } from './unpack-layer.ts';

const whiteoutsTimeoutMs = 60_000;
const whiteoutsAtOnce = 500;
const DeletedFiles = z.array(z.string()).nullable();

/** How layers of images, and containerd's, say that a file is gone, or that nothing of the image is left in a directory. */
const goneMark = '.wh.';
const allGoneMark = '.wh..wh..opq';

/**
 * Makes an overlay layer of what another engine keeps of its container's root: rootfs-diff.tar becomes files, each name in deleted.files a
 * whiteout, and mount points that our instances need are added. Throws archive_invalid.
 */
export async function makeDiff(
  { layout: archive, engine }: Pick<ArchiveContents, 'layout' | 'engine'>,
  imageRootfs: string,
  diff: string,
  ownMounts: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(diff, { mode: 0o755 });
  copyOwner(imageRootfs, diff, '');
  const deleted = readDeleted(archive);
  if (existsSync(archive.rootfsDiff)) {
    const names = await listNames(archive.rootfsDiff, signal);
    // The tar leaves out directories that are only led through; made by tar they would hide the owner and mode that the image's have.
    for (const path of new Set(names.map(parentOf))) if (path !== '') makeParents(diff, imageRootfs, path);
    await unpackLayer(archive.rootfsDiff, archiveNames.rootfsDiff, diff, appAttributes, signal);
    if (engine === 'containerd') deleted.push(...takeMarks(names, imageRootfs, diff));
  }
  await makeWhiteouts(deleted, imageRootfs, diff);
  // Those of cgroups lie in /sys, which is mounted before them.
  const inRoot = ownMounts.filter((mountPoint) => !mountPoint.startsWith('/sys/'));
  for (const mountPoint of inRoot) makeMountPoint(mountPoint.slice(1), imageRootfs, diff);
}

async function listNames(file: string, signal: AbortSignal): Promise<string[]> {
  const names: string[] = [];
  const { stages } = await decompress(createReadStream(file), Number.POSITIVE_INFINITY); // counted when it was read first
  await readEntries(stages, archiveNames.rootfsDiff, signal, async (header) => {
    names.push(relativePath(header.name) ?? '');
  });
  return names;
}

/** Removes the marks and answers what they say is gone. */
function takeMarks(names: readonly string[], imageRootfs: string, diff: string): string[] {
  return names
    .filter((path) => basename(path).startsWith(goneMark))
    .flatMap((path) => {
      requireDirectories(diff, path, archiveNames.rootfsDiff);
      rmSync(Buffer.from(join(diff, path), 'latin1'), { force: true });
      const parent = parentOf(path);
      return basename(path) === allGoneMark
        ? hiddenBelow(parent, diff, imageRootfs)
        : [join(parent, basename(path).slice(goneMark.length))];
    });
}

function parentOf(path: string): string {
  return path.includes('/') ? dirname(path) : '';
}

function readDeleted(archive: ArchiveLayout): string[] {
  if (!existsSync(archive.deletedFiles)) return [];
  return (readDump(archive.deletedFiles, DeletedFiles) ?? []).map((path) => {
    const below = Buffer.from(path.replace(/^\//, ''), 'utf8').toString('latin1');
    const relative = relativePath(below);
    if (relative === undefined || relative === '')
      throw archiveInvalid(archiveNames.deletedFiles, `lists ${path}, which is no file of the container`);
    return relative;
  });
}

/** Only for what the image has: what was made and deleted again needs none. */
async function makeWhiteouts(deleted: readonly string[], imageRootfs: string, diff: string): Promise<void> {
  const needed = [...new Set(deleted)].filter((path) => lookBelow(imageRootfs, path));
  for (const path of needed) {
    if (path.includes('/')) makeParents(diff, imageRootfs, parentOf(path));
    requireDirectories(diff, path, archiveNames.deletedFiles);
  }
  for (const path of needed) {
    if (lookBelow(diff, path)) throw archiveInvalid(archiveNames.deletedFiles, `lists ${path}, which ${archiveNames.rootfsDiff} has`);
  }
  for (let at = 0; at < needed.length; at += whiteoutsAtOnce) {
    const names = needed.slice(at, at + whiteoutsAtOnce).map((path) => Buffer.from(join(diff, path), 'latin1').toString('utf8'));
    await Promise.all(
      names.map((name) =>
        runTool('the unpacking of the archive', ['mknod', '-m', '000', '--', name, 'c', '0', '0'], { timeoutMs: whiteoutsTimeoutMs }),
      ),
    );
  }
}

/** Where the app's files end on the way there, nothing is mounted: CRIU then says which mount point is missing. */
function makeMountPoint(path: string, imageRootfs: string, diff: string): void {
  if (lookBelow(diff, path) || lookBelow(imageRootfs, path)) return;
  if (path.includes('/')) makeParents(diff, imageRootfs, parentOf(path));
  const target = join(diff, path);
  if (path === 'run/thaw') mkdirSync(target, { mode: 0o755 });
  else writeFileSync(target, '', { mode: 0o644, flag: 'wx' });
}

/** The directories that lead to `path` and it itself, as the image has them; what is there already stays. */
function makeParents(diff: string, imageRootfs: string, path: string): void {
  const parts = path.split('/');
  for (const [index] of parts.entries()) {
    const below = parts.slice(0, index + 1).join('/');
    const found = lookBelow(diff, below);
    if (found && !found.isDirectory()) return; // told by who makes something below it
    if (found) continue;
    mkdirSync(Buffer.from(join(diff, below), 'latin1'), { mode: 0o755 });
    copyOwner(imageRootfs, diff, below);
  }
}

function copyOwner(imageRootfs: string, diff: string, path: string): void {
  const stats = lookBelow(imageRootfs, path);
  if (!stats?.isDirectory()) return;
  const target = Buffer.from(join(diff, path), 'latin1');
  lchownSync(target, stats.uid, stats.gid);
  chmodSync(target, stats.mode & 0o7777);
}
