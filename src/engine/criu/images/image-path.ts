import { realpath } from 'node:fs/promises';
import type { ArchivePlace } from '#src/engine/golden-place.ts';
import type { DirectoryReference, LayoutReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';

/**
 * Where a path image really lies, all symlinks resolved: what the programs are then given, so that a link cannot lead out of the roots.
 * Throws image_not_found, or image_reference_invalid when it leads out or does not lie in a root to begin with.
 */
export async function resolveImagePath(imageRoots: readonly string[], reference: PathReference): Promise<string> {
  requireRoot(imageRoots, reference);
  const path = await realPathOf(reference.path);
  if (path === undefined) {
    throw new ThawError('image_not_found', `image ${reference.text}: ${reference.path} does not exist on this node`, {
      fix: 'Put the image there, or correct the path in the template.',
    });
  }
  requireNoColon(reference, path);
  await requireInside(imageRoots, reference, path);
  return path;
}

type PathReference = LayoutReference | DirectoryReference | ArchivePlace;

/** `path` is the real one. */
export function requireNoColon({ kind, text }: PathReference, path: string): void {
  if (kind === 'dir' || kind === 'archive' || !path.includes(':')) return;
  throw new ThawError('image_reference_invalid', `image ${text}: it lies in ${path}, and skopeo ends a path at its first colon`, {
    fix: 'Move the image to a path without colons.',
  });
}

/** `path` is the real one. */
export async function requireInside(imageRoots: readonly string[], { text }: PathReference, path: string): Promise<void> {
  for (const root of imageRoots) {
    const realRoot = await realPathOf(root);
    if (realRoot !== undefined && isBelow(path, realRoot)) return;
  }
  throw new ThawError('image_reference_invalid', `image ${text}: a symlink leads to ${path}, out of ${imageRoots.join(', ')}`, {
    fix: 'Copy the image itself below one of THAW_IMAGE_ROOTS.',
  });
}

/** By the text alone, and first: whether something exists elsewhere on the node is nobody's business. */
export function requireRoot(imageRoots: readonly string[], { text, path }: PathReference): void {
  if (imageRoots.length === 0) {
    throw new ThawError('image_reference_invalid', `image ${text}: no directory for path images is configured`, {
      fix: 'Set THAW_IMAGE_ROOTS to the directories in which such images may lie.',
    });
  }
  if (imageRoots.some((root) => isBelow(path, root))) return;
  throw new ThawError('image_reference_invalid', `image ${text}: the path must lie below ${imageRoots.join(' or ')}`, {
    fix: 'Move the image there, or add its directory to THAW_IMAGE_ROOTS.',
  });
}

function isBelow(path: string, root: string): boolean {
  return path.startsWith(root.endsWith('/') ? root : `${root}/`);
}

export async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch {
    return undefined; // absent, a loop, or a file where a directory should be: nothing to use either way
  }
}
