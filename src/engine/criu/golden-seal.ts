import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, writeFileSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { GoldenLayout } from './instance-layout.ts';

const SealedFile = z.object({
  /** Below the golden. Names are bytes, not all are UTF-8: each character here is one byte. */
  path: z.string(),
  type: z.enum(['file', 'directory', 'link', 'other']),
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  size: z.number(),
  /** sha256 of the bytes of a file, or the target of a link. */
  content: z.string(),
});
type SealedFile = z.infer<typeof SealedFile>;

/** Every file of a golden but the manifest itself. */
const Manifest = z.object({ version: z.literal(1), files: z.array(SealedFile) });
type Manifest = z.infer<typeof Manifest>;

export interface Seal {
  /** sha256 of the manifest. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Writes the manifest over all files of a golden. Called once, before the golden gets its final name. */
export async function sealGolden(layout: GoldenLayout): Promise<Seal> {
  const text = JSON.stringify({ version: 1, files: await hashFiles(layout) } satisfies Manifest);
  writeFileSync(layout.manifest, text, { mode: 0o400 });
  return readSeal(layout);
}

export function readSeal(layout: GoldenLayout): Seal {
  const text = readFileSync(layout.manifest, 'utf8');
  const { files } = Manifest.parse(JSON.parse(text));
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { digest, sizeBytes: files.reduce((sum, file) => sum + file.size, 0) };
}

/** Compares every file with the manifest. Throws golden_corrupt that names the first file that differs. */
export async function verifySeal(layout: GoldenLayout, golden: GoldenId): Promise<void> {
  const sealed = parseManifest(layout, golden).files;
  const present = new Map((await hashFiles(layout)).map((file) => [file.path, file]));
  for (const file of sealed) {
    const found = present.get(file.path);
    if (!found) throw corrupt(golden, layout, file.path, 'is missing');
    if (JSON.stringify(found) !== JSON.stringify(file)) throw corrupt(golden, layout, file.path, 'has changed since it was sealed');
    present.delete(file.path);
  }
  const [extra] = present.keys();
  if (extra !== undefined) throw corrupt(golden, layout, extra, 'was added after the sealing');
}

/**
 * Changes when any file of the golden was written, replaced, added, removed or given away: the cheap check between full ones.
 * ctime can not be set back, so that even a flipped byte with its mtime restored shows.
 */
export function fingerprintTree(layout: GoldenLayout): string {
  const hash = createHash('sha1');
  for (const path of walk(layout)) {
    const { ino, size, ctimeNs, mode } = lstatSync(absolute(layout, path), { bigint: true });
    hash.update(`${path}\0${ino}\0${size}\0${ctimeNs}\0${mode}\n`);
  }
  return hash.digest('hex');
}

async function hashFiles(layout: GoldenLayout): Promise<SealedFile[]> {
  const files: SealedFile[] = [];
  for (const path of walk(layout)) {
    if (absolute(layout, path).toString() === layout.manifest) continue;
    const stats = lstatSync(absolute(layout, path));
    const { mode, uid, gid } = stats;
    const type = typeOf(stats);
    const content = await contentOf(absolute(layout, path), type, stats.size);
    files.push({ path, type, mode, uid, gid, size: type === 'file' ? stats.size : 0, content });
  }
  return files;
}

/** Depth first, by name: the same order every time. */
function* walk(layout: GoldenLayout, below = ''): Generator<string> {
  const names = readdirSync(absolute(layout, below), { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  for (const name of names.sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    yield path;
    if (lstatSync(absolute(layout, path)).isDirectory()) yield* walk(layout, path);
  }
}

function absolute(layout: GoldenLayout, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${layout.directory}/`), Buffer.from(path, 'latin1')]);
}

function typeOf(stats: Stats): SealedFile['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

async function contentOf(path: Buffer, type: SealedFile['type'], size: number): Promise<string> {
  if (type === 'link') return readlinkSync(path, { encoding: 'buffer' }).toString('latin1');
  if (type !== 'file') return '';
  const hash = createHash('sha256');
  if (size > 0) await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

function parseManifest(layout: GoldenLayout, golden: GoldenId): Manifest {
  try {
    return Manifest.parse(JSON.parse(readFileSync(layout.manifest, 'utf8')));
  } catch (error) {
    const what = isErrnoError(error, 'ENOENT') ? 'is missing' : 'is not a manifest any more';
    throw corrupt(golden, layout, 'manifest.json', what);
  }
}

function corrupt(golden: GoldenId, layout: GoldenLayout, path: string, what: string): ThawError {
  const file = absolute(layout, path).toString();
  return new ThawError('golden_corrupt', `golden ${golden} was not restored: ${file} ${what}`, {
    fix: 'Take a new golden of the template; check the disk if nobody touched the file.',
    details: { golden, path: file },
  });
}
