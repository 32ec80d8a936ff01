import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { walkTree } from '#src/engine/criu/walk-tree.ts';
import { lookBelow } from './look-below.ts';

/** The files of an overlay layer by how they go into an archive. Paths are below the layer; names are bytes, one in each character. */
export interface DiffParts {
  /** For rootfs-diff.tar: all but whiteouts, which only an overlay understands, and sockets, which no tar can hold. */
  readonly plain: readonly string[];
  readonly directories: readonly string[];
  /** What stands for a deleted file of the image: a character device 0/0. */
  readonly whiteouts: readonly string[];
  readonly sockets: readonly { readonly path: string; readonly mode: number; readonly uid: number; readonly gid: number }[];
}

export function readDiffParts(diff: string): DiffParts {
  const parts = { plain: ['.'], directories: ['.'], whiteouts: [] as string[], sockets: [] as DiffParts['sockets'][number][] };
  for (const { path, stats } of walkTree(diff)) {
    const { mode, uid, gid } = { mode: Number(stats.mode), uid: Number(stats.uid), gid: Number(stats.gid) };
    if (stats.isCharacterDevice() && stats.rdev === 0n) parts.whiteouts.push(path);
    else if (stats.isSocket()) parts.sockets.push({ path, mode: mode & 0o7777, uid, gid });
    else {
      parts.plain.push(`./${path}`);
      if (stats.isDirectory()) parts.directories.push(`./${path}`);
    }
  }
  return parts;
}

/**
 * What is gone from the image, absolute and sorted, for engines that lay the changes over the image as files and then delete these: the
 * whiteouts, and what an opaque directory hides.
 */
export function listDeleted(parts: DiffParts, opaque: readonly string[], diff: string, imageRootfs: string): string[] {
  const hidden = opaque.flatMap((path) => hiddenBelow(path, diff, imageRootfs));
  return [...new Set([...parts.whiteouts, ...hidden].map((path) => `/${Buffer.from(path, 'latin1').toString('utf8')}`))].sort();
}

/** What the image has below `path` and the layer has not, where the layer's directory stands for all. */
export function hiddenBelow(path: string, diff: string, imageRootfs: string): string[] {
  const kept = new Set(namesIn(diff, path));
  return namesIn(imageRootfs, path).flatMap((name) => {
    const below = join(path, name);
    return kept.has(name) ? hiddenBelow(below, diff, imageRootfs) : [below];
  });
}

/** None for what is no directory, or not there. */
function namesIn(root: string, path: string): string[] {
  if (!lookBelow(root, path)?.isDirectory()) return [];
  return readdirSync(Buffer.from(join(root, path), 'latin1'), { encoding: 'buffer' }).map((name) => name.toString('latin1'));
}
