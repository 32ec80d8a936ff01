import { chmod, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import { SubprocessError } from '#src/platform/subprocess.ts';
import { hashTree, type TreeHash } from './hash-tree.ts';
import { emptyConfig } from './image-config.ts';
import { resolveImagePath } from './image-path.ts';
import type { DirectoryReference } from './image-reference.ts';
import type { BuiltImage, ResolvedImage } from './resolved-image.ts';
import { runTool } from './run-tool.ts';

const copyTimeoutMs = 15 * 60_000;

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
  try {
    await runTool(reference.text, ['cp', ...options, '--', path, rootfs], { timeoutMs: copyTimeoutMs, signal });
  } catch (error) {
    throw error instanceof SubprocessError ? unreadable(reference, error) : error;
  }
  const { digest, specials } = await hash(reference, rootfs, signal);
  await Promise.all(specials.map((special) => rm(special)));
  await chmod(rootfs, 0o755); // a source made by mktemp is 0700, and only root could live in it
  return { digest, config: emptyConfig };
}

async function hash(reference: DirectoryReference, path: string, signal?: AbortSignal): Promise<TreeHash> {
  try {
    return await hashTree(path, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw isErrnoError(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EIO') ? unreadable(reference, error) : error;
  }
}

function unreadable(reference: DirectoryReference, cause: Error): ThawError {
  return new ThawError('image_unusable', `image ${reference.text} could not be read: ${cause.message}`, {
    fix: 'Let nothing change the directory while it is read, then try again.',
    cause,
  });
}
