import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';

const Digest = z.string().regex(/^sha256:[a-f0-9]{64}$/);

const Index = z.object({
  manifests: z.array(
    z.object({
      digest: Digest,
      platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).optional(),
    }),
  ),
});

const Manifest = z.object({
  config: z.object({ mediaType: z.string() }),
  layers: z.array(z.object({ size: z.number().int().min(0) })),
});

/** Media types of a container image's configuration; anything else is an artifact that merely lies in a registry. */
const configTypes = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];

const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/** This machine as images name it. */
export const machine = { os: 'linux', architecture: architectures[process.arch] ?? process.arch } as const;

export interface ImageManifest {
  /** sha256 of the manifest's bytes: what identifies an image for one platform. */
  readonly digest: string;
  /** All layers as they are stored, compressed as a rule. */
  readonly layersBytes: number;
}

/** The digest of the manifest for this machine when `raw` is an index of several platforms, else undefined. Throws image_unusable. */
export function pickPlatform(image: string, raw: string): string | undefined {
  const index = Index.safeParse(parseJson(image, raw));
  if (!index.success) return undefined;
  const platforms = index.data.manifests.flatMap(({ platform }) => (platform ? [platform] : []));
  const fits = index.data.manifests.find(({ platform }) => platform?.os === machine.os && platform.architecture === machine.architecture);
  // An index of one image without a platform (as skopeo and umoci write it) is checked by that image's own configuration.
  const chosen = fits ?? (platforms.length === 0 && index.data.manifests.length === 1 ? index.data.manifests[0] : undefined);
  if (chosen) return chosen.digest;
  const offered = platforms.map((platform) => `${platform.os}/${platform.architecture}`).filter((name) => name !== 'unknown/unknown');
  throw foreignPlatform(image, [...new Set(offered)].join(', ') || 'no platform by name');
}

/** Throws image_unusable for anything but the manifest of a container image. */
export function parseManifest(image: string, raw: string): ImageManifest {
  const manifest = Manifest.safeParse(parseJson(image, raw));
  if (!manifest.success) {
    throw new ThawError('image_unusable', `image ${image}: its manifest is of a kind that can not be read`, {
      fix: 'Push the image again with a current tool (schema 2 or OCI).',
    });
  }
  const { config, layers } = manifest.data;
  if (!configTypes.includes(config.mediaType)) {
    throw new ThawError('image_unusable', `image ${image} is no container image but ${config.mediaType.slice(0, 100)}`, {
      fix: 'Name an image that holds a root filesystem.',
    });
  }
  return { digest: digestOf(raw), layersBytes: layers.reduce((sum, layer) => sum + layer.size, 0) };
}

export function foreignPlatform(image: string, offered: string): ThawError {
  return new ThawError('image_unusable', `image ${image} is made for ${offered}, this machine is ${machine.os}/${machine.architecture}`, {
    fix: `Build or choose the image for ${machine.os}/${machine.architecture}.`,
  });
}

export function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function parseJson(image: string, raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw new ThawError('image_unusable', `image ${image}: its manifest is no JSON`, { fix: 'Push the image again.', cause: error });
  }
}
