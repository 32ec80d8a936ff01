import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { GoldenLayout } from './instance-layout.ts';

const Manifest = z.object({
  version: z.literal(1),
  /** Every path below the golden but the manifest itself. `content` is sha256 of the bytes, or the target of a link. */
  files: z.array(
    z.object({
      path: z.string(),
      type: z.enum(['file', 'directory', 'link', 'other']),
      mode: z.number(),
      size: z.number(),
      content: z.string(),
    }),
  ),
});
type Manifest = z.infer<typeof Manifest>;

export interface Seal {
  /** sha256 of the manifest. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Writes the manifest over all files of a golden. Called once, before the golden gets its final name. */
export async function sealGolden(layout: GoldenLayout): Promise<Seal> {
  const files = await hashTree(layout);
  const text = JSON.stringify({ version: 1, files } satisfies Manifest);
  writeFileSync(layout.manifest, text, { mode: 0o400 });
  return { digest: sha256(text), sizeBytes: files.reduce((sum, file) => sum + file.size, 0) };
}

export function readSeal(layout: GoldenLayout): Seal {
  const text = readFileSync(layout.manifest, 'utf8');
  return { digest: sha256(text), sizeBytes: Manifest.parse(JSON.parse(text)).files.reduce((sum, file) => sum + file.size, 0) };
}

/** Compares every file with the manifest. Throws golden_corrupt that names the first file that differs. */
export async function verifySeal(layout: GoldenLayout, golden: GoldenId): Promise<void> {
  const sealed = parseManifest(layout, golden).files;
  const present = await hashTree(layout);
  const byPath = new Map(present.map((file) => [file.path, file]));
  for (const file of sealed) {
    const found = byPath.get(file.path);
    if (!found) throw corrupt(golden, join(layout.directory, file.path), 'is missing');
    if (JSON.stringify(found) !== JSON.stringify(file))
      throw corrupt(golden, join(layout.directory, file.path), 'has changed since it was sealed');
    byPath.delete(file.path);
  }
  const [extra] = byPath.keys();
  if (extra !== undefined) throw corrupt(golden, join(layout.directory, extra), 'was added after the sealing');
}

/**
 * Changes when any file of the golden was written, replaced, added or removed: the cheap check between full ones.
 * ctime can not be set back, so that even a flipped byte with its mtime restored shows.
 */
export function fingerprintTree(layout: GoldenLayout): string {
  const hash = createHash('sha1');
  for (const path of walk(layout.directory)) {
    const { ino, size, ctimeNs, mode } = lstatSync(path, { bigint: true });
    hash.update(`${path}\0${ino}\0${size}\0${ctimeNs}\0${mode}\n`);
  }
  return hash.digest('hex');
}

async function hashTree(layout: GoldenLayout): Promise<Manifest['files']> {
  const files: Manifest['files'] = [];
  for (const path of walk(layout.directory)) {
    if (path === layout.manifest) continue;
    const stat = lstatSync(path);
    const type = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : stat.isSymbolicLink() ? 'link' : 'other';
    const content = type === 'file' ? await hashFile(path) : type === 'link' ? readlinkSync(path) : '';
    files.push({ path: relative(layout.directory, path), type, mode: stat.mode, size: type === 'file' ? stat.size : 0, content });
  }
  return files;
}

/** Depth first, by name: the same order every time. */
function* walk(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    yield path;
    if (entry.isDirectory()) yield* walk(path);
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  if (statSync(path).size > 0) await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

function parseManifest(layout: GoldenLayout, golden: GoldenId): Manifest {
  try {
    return Manifest.parse(JSON.parse(readFileSync(layout.manifest, 'utf8')));
  } catch (error) {
    throw corrupt(golden, layout.manifest, isErrnoError(error, 'ENOENT') ? 'is missing' : 'is not a manifest any more');
  }
}

function corrupt(golden: GoldenId, path: string, what: string): ThawError {
  return new ThawError('golden_corrupt', `golden ${golden} was not restored: ${path} ${what}`, {
    fix: 'Take a new golden of the template; check the disk if nobody touched the file.',
    details: { golden, path },
  });
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
