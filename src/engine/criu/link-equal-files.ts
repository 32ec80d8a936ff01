import { type BigIntStats, linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';
import { run } from '#src/platform/subprocess.ts';
import { type HashedEntry, hashFile } from './hash-tree.ts';

/** Inodes with their ctime (ns) before a link to them came or went, which is all that happened to them. */
export type LinkedInodes = Map<bigint, bigint>;

/** Below, a link saves nothing that is worth it. */
const leastBytes = 16 * 1024;
const touchTimeoutMs = 10_000;
const printableAscii = /^[\x20-\x7e]+$/;

/** A golden's directory, and what its manifest says is in it. */
export interface SealedFiles {
  readonly directory: string;
  readonly files: readonly HashedEntry[];
}

/**
 * Stores once what a golden that has not got its final name yet has in common with others on the node: its file becomes a link to theirs. Each
 * link is hashed; one that does not have the content of the manifest is undone. What an app sees of a file stays, but for its ctime and its number
 * of links: so of what it wrote only files are linked that have the same mtime, and none that can be run, for a manifest knows no file
 * capabilities; no two files of one golden become one, and none of the names of one file becomes another. Answers the inodes that got a link.
 */
export async function linkEqualFiles(own: SealedFiles, others: readonly SealedFiles[]): Promise<LinkedInodes> {
  const twins = indexFiles(others);
  const inodes: LinkedInodes = new Map();
  const directories = new Map<string, bigint>();
  for (const file of own.files.filter(isShareable)) {
    const location = join(own.directory, file.path);
    const ours = lstatSync(location, { bigint: true });
    const twin = twins.get(keyOf(file))?.find((path) => isTwin(file, ours, lstatAt(path), inodes));
    if (twin === undefined) continue;
    const { ino, ctimeNs } = lstatSync(twin, { bigint: true });
    const parent = dirname(location);
    if (!directories.has(parent)) directories.set(parent, lstatSync(parent, { bigint: true }).mtimeNs);
    inodes.set(ino, ctimeNs);
    await replaceByLink(location, twin, file, join(own.directory, 'replaced'));
  }
  for (const [directory, mtimeNs] of directories) await setTime(directory, mtimeNs);
  return inodes;
}

function isShareable({ type, size, path, mode }: HashedEntry): boolean {
  if (type !== 'file' || size < leastBytes || !printableAscii.test(path)) return false;
  return path.startsWith('image/') || (path.startsWith('diff/') && (mode & 0o111) === 0);
}

function keyOf({ content, size, mode, uid, gid }: HashedEntry): string {
  return [content, size, mode, uid, gid].join(' ');
}

function indexFiles(goldens: readonly SealedFiles[]): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const { directory, files } of goldens) {
    for (const file of files.filter(isShareable)) {
      const known = index.get(keyOf(file));
      if (known) known.push(join(directory, file.path));
      else index.set(keyOf(file), [join(directory, file.path)]);
    }
  }
  return index;
}

function isTwin({ path }: HashedEntry, ours: BigIntStats, theirs: BigIntStats | undefined, taken: LinkedInodes): boolean {
  if (!theirs?.isFile() || theirs.dev !== ours.dev || ours.nlink > 1n || taken.has(theirs.ino)) return false;
  return path.startsWith('image/') || theirs.mtimeNs === ours.mtimeNs;
}

function lstatAt(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** A file system that takes no more links, or none, leaves the file as it is. */
async function replaceByLink(location: string, twin: string, { content, size }: HashedEntry, aside: string): Promise<void> {
  renameSync(location, aside);
  try {
    linkSync(twin, location);
    if ((await hashFile(Buffer.from(location), size)) === content) rmSync(aside);
    else renameSync(aside, location);
  } catch (error) {
    renameSync(aside, location);
    if (!isErrnoError(error, 'EMLINK') && !isErrnoError(error, 'EPERM') && !isErrnoError(error, 'ENOENT')) throw error;
  }
}

/** To the nanosecond, which Node's utimes can not. */
async function setTime(path: string, mtimeNs: bigint): Promise<void> {
  const text = `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`;
  await run(['touch', '-m', `--date=${text}`, '--', path], { timeoutMs: touchTimeoutMs });
}
