import { lstatSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ArchivePlace } from '#src/engine/golden-place.ts';
import type { LayoutReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { randomBase32 } from '#src/platform/ids.ts';
import { realPathOf, requireInside, requireNoColon, requireRoot } from './image-path.ts';

export interface TargetPath {
  /** All symlinks above it resolved: what is written by it can not be led out of the roots. */
  readonly path: string;
  /** Beside it: written first, then renamed. No two exports have the same. */
  readonly partial: string;
}

/**
 * Where an export may write. Throws image_reference_invalid when that is outside the roots, image_not_found when the directory around it is not
 * there, export_target_exists when what has that name may not be replaced: it is no file, or `overwrite` does not say so.
 */
export async function resolveTargetPath(
  imageRoots: readonly string[],
  place: LayoutReference | ArchivePlace,
  overwrite: boolean,
): Promise<TargetPath> {
  requireRoot(imageRoots, place);
  const parent = await realPathOf(dirname(place.path));
  if (parent === undefined) {
    throw new ThawError('image_not_found', `the export to ${place.text}: ${dirname(place.path)} does not exist on this node`, {
      fix: 'Make the directory first, or correct the path.',
    });
  }
  const name = basename(place.path);
  const path = join(parent, name);
  requireNoColon(place, path);
  await requireInside(imageRoots, place, path);
  requireReplaceable(place, path, overwrite);
  return { path, partial: join(parent, `.thaw-partial-${randomBase32(16)}`) };
}

/** A layout is never replaced: it may hold other images. */
function requireReplaceable({ kind, text }: LayoutReference | ArchivePlace, path: string, overwrite: boolean): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (kind === 'oci') throw targetExists(text, path, 'exists already', 'Choose another name, or remove it first.');
  if (!overwrite) throw targetExists(text, path, 'exists already', 'Choose another name, or say `overwrite`.');
  if (!stats.isFile()) throw targetExists(text, path, 'is no regular file', 'Choose another name.');
}

export function targetExists(text: string, path: string, what: string, fix: string): ThawError {
  return new ThawError('export_target_exists', `the export to ${text}: ${path} ${what}`, { fix });
}
