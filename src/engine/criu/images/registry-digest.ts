import { parseImageReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { type LayeredImageDeps, resolveRegistryImage } from './layered-image.ts';

/**
 * What an image's tag stands for in its registry now: the digest of the manifest for this machine, which is what a golden notes of its
 * image. Nothing is fetched but manifests. Throws image_not_found, image_pull_failed, image_unusable.
 */
export async function readRegistryDigest(deps: LayeredImageDeps, image: string, signal?: AbortSignal): Promise<string> {
  const reference = parseImageReference(image);
  if (reference.kind === 'registry') return (await resolveRegistryImage(deps, reference, signal)).digest;
  throw new ThawError('image_reference_invalid', `image ${image} lies in no registry`, { fix: 'Name an image as host/name:tag.' });
}
