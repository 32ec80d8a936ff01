import { parseImageReference } from '#src/engine/image-reference.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { ImageStore } from './image-store.ts';
import type { PreparedImage } from './stored-image.ts';

/**
 * The image that a golden lies on, from where the reference says. A golden is the difference to its image, byte for byte: no other will do. By
 * its digest, so that a tag moved meanwhile does no harm. Throws golden_incompatible, with `fix`, when it can not be had from there, and what
 * ImageStore.ensure throws.
 */
export async function ensureExactImage(
  images: ImageStore,
  text: string,
  digest: string,
  fix: string,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const reference = parseImageReference(text);
  const exact = reference.kind === 'registry' ? `docker://${reference.registry}/${reference.repository}@${digest}` : text;
  try {
    const image = await images.ensure(exact, signal);
    if (image.digest === digest) return image;
    throw new ThawError('golden_incompatible', `the golden lies on image ${digest}; ${text} is ${image.digest}`, { fix });
  } catch (error) {
    if (!isThawError(error, 'image_not_found')) throw error;
    const message = `the golden lies on image ${digest}, which can not be had as ${text}: ${error.message}`;
    throw new ThawError('golden_incompatible', message, { fix, cause: error });
  }
}
