import { chmod, mkdir } from 'node:fs/promises';
import { requireDisk } from '#src/engine/criu/node-reserve.ts';
import { type ImageReference, parseImageReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { resolveDirectoryImage } from './directory-image.ts';
import type { ImageAccess } from './image-access.ts';
import { resolveLayoutImage, resolveRegistryImage } from './layered-image.ts';
import type { ResolvedImage } from './resolved-image.ts';
import {
  beginImage,
  findImage,
  installImage,
  linkIndex,
  listImages,
  type PreparedImage,
  removeImage,
  sweepImages,
} from './stored-image.ts';

export interface ImageStoreDeps extends ImageAccess {
  /** One process owns it: what others are making there would be swept. */
  readonly directory: string;
  readonly diskReserveBytes: number;
}

/** Images by the digest of their content, each kept once: `<directory>/sha256-<hex>/{rootfs/, image.json}`. */
export interface ImageStore {
  /**
   * The image a reference stands for right now, fetched when it is not here. A tag is asked for afresh each time; a reference by digest
   * is answered without the registry when it is here. Throws image_reference_invalid, image_not_found, image_pull_failed, image_unusable,
   * disk_reserve; the reason of `signal` when aborted.
   */
  ensure(reference: string, signal?: AbortSignal): Promise<PreparedImage>;
  /** Without fetching: what a golden's restore needs. */
  find(digest: string): PreparedImage | undefined;
  has(digest: string): boolean;
  list(): Promise<PreparedImage[]>;
  /** The caller knows that no golden and no instance needs it. */
  remove(digest: string): Promise<void>;
}

/** Removes what a crash left in the directory before anything else is done in it. */
export function createImageStore(deps: ImageStoreDeps): ImageStore {
  const store = deps.directory;
  const opened = openDirectory(store);
  opened.catch(() => {}); // told to whoever uses the store
  const perDigest = new KeyedMutex();
  return {
    async ensure(text, signal) {
      await opened;
      const reference = parseImageReference(text);
      const known = reference.kind === 'registry' && reference.digest !== undefined ? findImage(store, reference.digest) : undefined;
      if (known) return known;
      const resolved = await resolveImage(deps, reference, signal);
      // Whoever asks for the same content meanwhile waits here, then finds it.
      const image = await perDigest.run(
        resolved.digest,
        async () => findImage(store, resolved.digest) ?? (await makeImage(deps, reference, resolved, signal)),
      );
      if (resolved.indexDigest !== undefined) await linkIndex(store, resolved.indexDigest, image.digest);
      return image;
    },
    find: (digest) => findImage(store, digest),
    has: (digest) => findImage(store, digest) !== undefined,
    async list() {
      await opened;
      return await listImages(store);
    },
    async remove(digest) {
      await opened;
      await perDigest.run(findImage(store, digest)?.digest ?? digest, () => removeImage(store, digest));
    },
  };
}

async function openDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o700); // images hold setuid files: out of reach for the host's users
  await sweepImages(directory);
}

async function resolveImage(deps: ImageStoreDeps, reference: ImageReference, signal?: AbortSignal): Promise<ResolvedImage> {
  const layered = { ...deps, tmpDir: deps.directory };
  if (reference.kind === 'registry') return await resolveRegistryImage(layered, reference, signal);
  if (reference.kind === 'dir') return await resolveDirectoryImage(deps.imageRoots, reference, signal);
  return await resolveLayoutImage(layered, reference, signal);
}

async function makeImage(
  deps: ImageStoreDeps,
  reference: ImageReference,
  resolved: ResolvedImage,
  signal?: AbortSignal,
): Promise<PreparedImage> {
  signal?.throwIfAborted();
  const store = deps.directory;
  requireDisk(`image ${reference.text}`, store, resolved.needBytes, deps.diskReserveBytes);
  const making = await beginImage(store);
  try {
    const { digest, config } = await resolved.build(making, signal);
    await installImage(store, making, digest, reference.text, config);
    const image = findImage(store, digest);
    if (image) return image;
    throw new ThawError('internal', `image ${reference.text} (${digest}) is gone right after it was made`);
  } finally {
    await removeTree(making);
  }
}
