import { readFileSync } from 'node:fs';
import { mkdtemp, open, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { run } from '#src/platform/subprocess.ts';
import { ImageConfig } from './image-config.ts';

/** An image ready to be the lowest layer of instances. */
export interface PreparedImage {
  /** `sha256:…`, identifies the content. */
  readonly digest: string;
  /** Shared between instances: never written to. */
  readonly rootfs: string;
  readonly config: ImageConfig;
}

const ImageRecord = z.object({
  digest: z.string(),
  /** The reference it was first asked for by, for people who look into the directory. */
  reference: z.string(),
  createdAt: z.string(),
  config: ImageConfig,
});

const entryPattern = /^sha256-[a-f0-9]{64}$/;
const digestPattern = /^sha256:[a-f0-9]{64}$/;
const syncTimeoutMs = 5 * 60_000;

/** The image of this digest, or of the index of this digest (a link to the image of this machine's platform). */
export function findImage(store: string, digest: string): PreparedImage | undefined {
  if (!digestPattern.test(digest)) return undefined;
  return readEntry(store, entryName(digest));
}

/** Without the links of indexes. */
export async function listImages(store: string): Promise<PreparedImage[]> {
  const entries = (await readdir(store, { withFileTypes: true })).filter((entry) => entry.isDirectory() && entryPattern.test(entry.name));
  return entries.flatMap((entry) => readEntry(store, entry.name) ?? []);
}

/** A directory in which an image is made; a crash leaves it to sweepImages. Private: setuid files of an image must not be reachable on the host. */
export function beginImage(store: string): Promise<string> {
  return mkdtemp(join(store, 'making-'));
}

/** Puts a made image under its final name, whole and on the disk, or leaves the one that is there. */
export async function installImage(store: string, making: string, digest: string, reference: string, config: ImageConfig): Promise<void> {
  const record: z.infer<typeof ImageRecord> = { digest, reference, createdAt: new Date().toISOString(), config };
  await writeFile(join(making, 'image.json'), JSON.stringify(record, undefined, 2));
  // A rename may reach the disk before the files it names. One syncfs is much cheaper than an fsync for each of thousands.
  await run(['sync', '--file-system', making], { timeoutMs: syncTimeoutMs });
  try {
    await rename(making, join(store, entryName(digest)));
  } catch (error) {
    if (findImage(store, digest) === undefined) throw error;
  }
  await syncDirectory(store);
}

/** Lets the image be found by the digest of an index, too. */
export async function linkIndex(store: string, indexDigest: string, digest: string): Promise<void> {
  await symlink(entryName(digest), join(store, entryName(indexDigest))).catch((error: unknown) => {
    if (!isErrnoError(error, 'EEXIST')) throw error;
  });
}

/** Removing what is gone is no error. */
export async function removeImage(store: string, digest: string): Promise<void> {
  const image = findImage(store, digest);
  if (image === undefined) return;
  const name = entryName(image.digest);
  for (const entry of await readdir(store, { withFileTypes: true })) {
    const path = join(store, entry.name);
    if (entry.isSymbolicLink() && (await readlink(path)) === name) await rm(path);
  }
  const removing = join(store, `removing-${name}`); // renamed first: a crash halfway leaves no half image under the final name
  await rename(join(store, name), removing);
  await removeTree(removing);
}

/** Removes what crashes left: all but finished images and the links to them. Only when nothing is being made. */
export async function sweepImages(store: string): Promise<void> {
  for (const name of await readdir(store)) if (!entryPattern.test(name)) await removeTree(join(store, name));
}

function readEntry(store: string, name: string): PreparedImage | undefined {
  let json: string;
  try {
    json = readFileSync(join(store, name, 'image.json'), 'utf8');
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const { digest, config } = ImageRecord.parse(JSON.parse(json));
  return { digest, rootfs: join(store, entryName(digest), 'rootfs'), config };
}

function entryName(digest: string): string {
  return digest.replace(':', '-');
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
