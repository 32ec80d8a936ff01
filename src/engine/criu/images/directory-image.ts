import { createHash } from 'node:crypto';
import { chmod, lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hashTree } from '#src/engine/criu/hash-tree.ts';
import type { DirectoryReference } from '#src/engine/image-reference.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import { runTool } from '#src/platform/run-tool.ts';
import type { SubprocessError } from '#src/platform/subprocess.ts';
import { emptyConfig } from './image-config.ts';
import { resolveImagePath } from './image-path.ts';
import type { BuiltImage, ResolvedImage } from './resolved-image.ts';

const copyTimeoutMs = 15 * 60_000;
/** `cp` takes no path of more than 4095 bytes, where the directory lies and where the copy will included. */
const pathBytesMax = 3500;

/**
 * A root filesystem in a directory. The store keeps a copy, so that later changes of the source do not reach goldens made from it.
 * Devices, sockets and fifos are left out (an instance gets a /dev of its own), as is what is mounted inside.
 */
export async function resolveDirectoryImage(
  imageRoots: readonly string[],
  reference: DirectoryReference,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  const path = await resolveImagePath(imageRoots, reference);
  if (!(await stat(path)).isDirectory()) {
    throw new ThawError('image_unusable', `image ${reference.text}: ${path} is no directory`, {
      fix: 'Name the directory of a root filesystem; a tar of `docker save` is docker-archive:/file.tar.',
    });
  }
  const { digest, sizeBytes } = await hash(reference, path, signal);
  return { digest, needBytes: sizeBytes, build: (directory, signal) => copyDirectory(reference, path, join(directory, 'rootfs'), signal) };
}

/** The digest is that of the copy, whatever happens to the source meanwhile. */
async function copyDirectory(reference: DirectoryReference, path: string, rootfs: string, signal?: AbortSignal): Promise<BuiltImage> {
  // No extended attributes: they are no part of the digest, file capabilities mean nothing under no-new-privileges, and
  // trusted.overlay ones would steer the overlay the copy becomes part of.
  const options = ['-a', '--one-file-system', '--no-preserve=xattr', '--reflink=auto'];
  const limits = { timeoutMs: copyTimeoutMs, signal, diesWithUs: true };
  const explain = (error: SubprocessError) => unreadable(reference, error);
  await runTool(`image ${reference.text}`, ['cp', ...options, '--', path, rootfs], { ...limits, explain });
  const { digest, hasSpecials } = await hash(reference, rootfs, signal);
  if (hasSpecials) await runTool(`image ${reference.text}`, ['find', rootfs, '-xdev', '-type', 'b,c,p,s', '-delete'], limits);
  await chmod(rootfs, 0o755); // a source made by mktemp is 0700, and only root could live in it
  return { digest, config: emptyConfig };
}

interface TreeDigest {
  /** `sha256:…` */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Devices, sockets or fifos: no part of the digest. */
  readonly hasSpecials: boolean;
}

/** Covers names, types, modes, owners, link targets and contents of one filesystem. What is mounted inside counts as an empty directory: `cp -x` makes it one. */
async function hash(reference: DirectoryReference, path: string, signal?: AbortSignal): Promise<TreeDigest> {
  try {
    const { uid, gid } = await lstat(path);
    const digest = createHash('sha256').update(`${uid}:${gid}\n`);
    let sizeBytes = 0;
    let hasSpecials = false;
    for await (const entry of hashTree(path, signal)) {
      if (entry.path.length > pathBytesMax) throw tooDeep(reference, entry.path);
      if (entry.type === 'other') hasSpecials = true;
      else digest.update(`${JSON.stringify(entry)}\n`);
      sizeBytes += entry.size;
    }
    return { digest: `sha256:${digest.digest('hex')}`, sizeBytes, hasSpecials };
  } catch (error) {
    signal?.throwIfAborted();
    throw isErrnoError(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'EIO') ? unreadable(reference, error) : error;
  }
}

function tooDeep(reference: DirectoryReference, path: string): ThawError {
  const message = `image ${reference.text}: a path in it has more than ${pathBytesMax} bytes; it begins with ${path.slice(0, 100)}`;
  return new ThawError('image_unusable', message, { fix: 'Remove the directories that lie so deep, or make their names shorter.' });
}

function unreadable(reference: DirectoryReference, cause: Error): ThawError {
  return new ThawError('image_unusable', `image ${reference.text} could not be read: ${cause.message}`, {
    fix: 'Let nothing change the directory while it is read, then try again.',
    cause,
  });
}
