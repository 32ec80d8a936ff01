import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { signatureFile } from './golden-signature.ts';
import { HashedEntry, hashTree } from './hash-tree.ts';
import type { GoldenLayout } from './instance-layout.ts';
import { walkTree } from './walk-tree.ts';

/** Every file of a golden but the manifest itself and its signature. */
const Manifest = z.object({ version: z.literal(1), files: z.array(HashedEntry) });
type Manifest = z.infer<typeof Manifest>;

/** About a million files. In a tree of n levels the paths alone take n² / 2 characters: this ends at some ten thousand levels. */
const manifestCharactersMax = 256 * 1024 * 1024;
const charactersBesidePath = 220;

export interface Seal {
  /** sha256 of the manifest. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/**
 * Writes the manifest over all files of a golden. Called once, before the golden gets its final name. `known`: the sha256 of files that were
 * hashed while they were written, by path.
 * Throws checkpoint_unsupported when the app made too many files, or too deep a tree, for one manifest.
 */
export async function sealGolden(layout: GoldenLayout, golden: GoldenId, known?: ReadonlyMap<string, string>): Promise<Seal> {
  const files = await hashFiles(layout, golden, known);
  const text = JSON.stringify({ version: 1, files } satisfies Manifest);
  writeFileSync(layout.manifest, text, { mode: 0o400 });
  return sealOf(text, files);
}

function sealOf(text: string, files: readonly HashedEntry[]): Seal {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { digest, sizeBytes: files.reduce((sum, file) => sum + file.size, 0) };
}

/** Compares every file with the manifest. Throws golden_corrupt that names the first file that differs. */
export async function verifySeal(layout: GoldenLayout, golden: GoldenId): Promise<Seal> {
  const { text, files: sealed } = readManifest(layout, golden);
  const present = new Map((await hashFiles(layout, golden)).map((file) => [file.path, file]));
  for (const file of sealed) {
    const found = present.get(file.path);
    if (!found) throw corrupt(golden, layout, file.path, 'is missing');
    if (JSON.stringify(found) !== JSON.stringify(file)) throw corrupt(golden, layout, file.path, 'has changed since it was sealed');
    present.delete(file.path);
  }
  const [extra] = present.keys();
  if (extra !== undefined) throw corrupt(golden, layout, extra, 'was added after the sealing');
  return sealOf(text, sealed);
}

/**
 * Changes when any file of the golden was written, replaced, added, removed or given away: the cheap check between full ones.
 * ctime can not be set back, so that even a flipped byte with its mtime restored shows. `ctimes`: of inodes, to be taken for the ones they have.
 */
export function fingerprintTree(layout: GoldenLayout, ctimes?: ReadonlyMap<bigint, bigint>): string {
  const hash = createHash('sha1');
  for (const { path, stats } of walkTree(layout.directory)) {
    const { ino, size, ctimeNs, mode } = stats;
    hash.update(`${path}\0${ino}\0${size}\0${ctimes?.get(ino) ?? ctimeNs}\0${mode}\n`);
  }
  return hash.digest('hex');
}

async function hashFiles(layout: GoldenLayout, golden: GoldenId, known?: ReadonlyMap<string, string>): Promise<HashedEntry[]> {
  const files: HashedEntry[] = [];
  let characters = 0;
  for await (const file of hashTree(layout.directory, undefined, known)) {
    if (file.path === basename(layout.manifest) || file.path === signatureFile) continue;
    files.push(file);
    characters += charactersBesidePath + JSON.stringify(file.path).length;
    if (characters > manifestCharactersMax) throw tooMuch(golden, files.length, file.path);
  }
  return files;
}

export function readManifest(layout: GoldenLayout, golden: GoldenId): Manifest & { readonly text: string } {
  try {
    const text = readFileSync(layout.manifest, 'utf8');
    return { ...Manifest.parse(JSON.parse(text)), text };
  } catch (error) {
    const what = isErrnoError(error, 'ENOENT') ? 'is missing' : 'is not a manifest any more';
    throw corrupt(golden, layout, 'manifest.json', what);
  }
}

function tooMuch(golden: GoldenId, count: number, path: string): ThawError {
  const inside = printable(path).replace(/^diff\//, '/');
  const shown = inside.length <= 300 ? inside : `${inside.slice(0, 300)}… (${path.length} bytes)`;
  return new ThawError(
    'checkpoint_unsupported',
    `the app made more files than golden ${golden} can hold: the names of the first ${count} fill its manifest; the last is ${shown}`,
    { fix: 'Let the app remove such files before its checkpoint, or make them in a tmpfs of its own (/dev/shm).' },
  );
}

function corrupt(golden: GoldenId, layout: GoldenLayout, path: string, what: string): ThawError {
  return goldenCorrupt(golden, `${layout.directory}/${printable(path)}`, what);
}

/** `what` goes on from the name of the file. */
export function goldenCorrupt(golden: GoldenId, file: string, what: string): ThawError {
  return new ThawError('golden_corrupt', `golden ${golden} was not restored: ${file} ${what}`, {
    fix: 'Take a new golden of the template; check the disk if nobody touched the file.',
    details: { golden, path: file },
  });
}

/** A path of bytes as text, on one line. */
function printable(path: string): string {
  const text = Buffer.from(path, 'latin1').toString('utf8');
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
