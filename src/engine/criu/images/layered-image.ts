import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayoutReference, RegistryReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { runTool } from '#src/platform/run-tool.ts';
import type { ImageAccess } from './image-access.ts';
import { parseImageConfig } from './image-config.ts';
import { resolveImagePath } from './image-path.ts';
import { type ImageSource, layoutSource, registrySource } from './image-source.ts';
import { digestOf, type ImageManifest, parseManifest, pickPlatform } from './manifest.ts';
import type { BuiltImage, ResolvedImage } from './resolved-image.ts';
import { copyToLayout, inspectConfig, inspectManifest, type SkopeoDeps } from './skopeo.ts';

export interface LayeredImageDeps extends SkopeoDeps, ImageAccess {}

const unpackTimeoutMs = 15 * 60_000;
/** Compressed layers once in the temporary layout and, at the usual ratio of two, once unpacked. */
const spacePerLayerByte = 3;

/** Asks the registry afresh what the reference stands for. Throws image_not_found, image_pull_failed, image_unusable. */
export async function resolveRegistryImage(
  deps: LayeredImageDeps,
  reference: RegistryReference,
  signal?: AbortSignal,
): Promise<ResolvedImage> {
  const raw = await inspectManifest(deps, registrySource(reference), signal);
  const rawDigest = digestOf(raw);
  checkPromise(reference.text, reference.digest ?? rawDigest, rawDigest);
  const platformDigest = pickPlatform(reference.text, raw);
  const source = registrySource(reference, platformDigest ?? rawDigest);
  const manifest = parseManifest(reference.text, platformDigest === undefined ? raw : await inspectManifest(deps, source, signal));
  checkPromise(reference.text, platformDigest ?? rawDigest, manifest.digest);
  return {
    digest: manifest.digest,
    ...(platformDigest === undefined ? {} : { indexDigest: rawDigest }),
    needBytes: manifest.layersBytes * spacePerLayerByte,
    build: (directory, signal) => buildLayered(deps, source, manifest, directory, signal),
  };
}

/** As above from a path below the image roots. Throws image_reference_invalid as well. */
export async function resolveLayoutImage(deps: LayeredImageDeps, reference: LayoutReference, signal?: AbortSignal): Promise<ResolvedImage> {
  const path = await resolveImagePath(deps.imageRoots, reference);
  const source = layoutSource(reference, path);
  const manifest = await readLayoutManifest(deps, source, path, signal);
  return {
    digest: manifest.digest,
    needBytes: manifest.layersBytes * spacePerLayerByte,
    async build(directory, signal) {
      const built = await buildLayered(deps, source, manifest, directory, signal);
      if ((await readLayoutManifest(deps, source, path, signal)).digest === manifest.digest) return built;
      throw new ThawError('image_pull_failed', `image ${reference.text} changed while it was read`, {
        fix: 'Try again when it is written.',
      });
    },
  };
}

async function buildLayered(
  deps: LayeredImageDeps,
  source: ImageSource,
  manifest: ImageManifest,
  directory: string,
  signal?: AbortSignal,
): Promise<BuiltImage> {
  const config = parseImageConfig(source.text, await inspectConfig(deps, source, signal)); // before the layers: the platform may be foreign
  const layout = join(directory, 'layout');
  await copyToLayout(deps, source, layout, signal);
  await unpack(source, layout, join(directory, 'rootfs'), signal);
  await removeTree(layout);
  return { digest: manifest.digest, config };
}

/** umoci checks each layer against the configuration, stays inside the rootfs and leaves out trusted.overlay attributes. */
async function unpack(source: ImageSource, layout: string, rootfs: string, signal?: AbortSignal): Promise<void> {
  await runTool(`image ${source.text}`, ['umoci', 'raw', 'unpack', '--image', `${layout}:image`, rootfs], {
    timeoutMs: unpackTimeoutMs,
    signal,
    diesWithUs: true,
    explain: (cause) =>
      new ThawError('image_unusable', `image ${source.text} could not be unpacked: ${cause.message}`, {
        fix: 'Build or push the image again.',
        cause,
      }),
  });
}

async function readLayoutManifest(deps: SkopeoDeps, source: ImageSource, path: string, signal?: AbortSignal): Promise<ImageManifest> {
  const raw = await inspectManifest(deps, source, signal);
  const platformDigest = pickPlatform(source.text, raw);
  if (platformDigest === undefined) return parseManifest(source.text, raw);
  // `docker buildx` writes a second index inside the layout's own; skopeo has no name for what lies in it.
  const blob = await readFile(join(path, 'blobs', ...platformDigest.split(':')), 'utf8').catch((error: unknown) => {
    const message = `image ${source.text}: its blob ${platformDigest} can not be read`;
    throw new ThawError('image_unusable', message, { fix: 'Write the layout again.', cause: error });
  });
  checkPromise(source.text, platformDigest, digestOf(blob));
  return parseManifest(source.text, blob);
}

function checkPromise(image: string, promised: string, found: string): void {
  if (promised === found) return;
  throw new ThawError('image_unusable', `image ${image}: what was answered for ${promised} has the digest ${found}`, {
    fix: 'Push the image again; if this stays, do not trust the registry.',
  });
}
