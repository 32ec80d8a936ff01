import { lstatSync } from 'node:fs';
import { type HashedEntry, hashFile } from './hash-tree.ts';
import type { LinkedInodes } from './link-equal-files.ts';
import { walkTree } from './walk-tree.ts';

/** The inodes below a directory that others have links to, as they are before it is removed. */
export function findLinkedInodes(directory: string): LinkedInodes {
  const inodes: LinkedInodes = new Map();
  if (!lstatSync(directory, { throwIfNoEntry: false })) return inodes;
  for (const { stats } of walkTree(directory)) if (stats.isFile() && stats.nlink > 1n) inodes.set(stats.ino, stats.ctimeNs);
  return inodes;
}

/** Whether the files below a directory that have one of the inodes still are what a manifest says. `hashes`: of inodes, kept between calls. */
export async function hasSealedContent(
  directory: string,
  files: readonly HashedEntry[],
  inodes: LinkedInodes,
  hashes: Map<bigint, string>,
): Promise<boolean> {
  const contents = new Map(files.map(({ path, content }) => [path, content]));
  for (const { path, location, stats } of walkTree(directory)) {
    if (!inodes.has(stats.ino)) continue;
    const hash = hashes.get(stats.ino) ?? (await hashFile(location, Number(stats.size)));
    hashes.set(stats.ino, hash);
    if (contents.get(path) !== hash) return false;
  }
  return true;
}
