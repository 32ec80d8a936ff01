import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { machine } from '#src/engine/criu/images/manifest.ts';
import { systemClock } from '#src/platform/clock.ts';
import { type GoldenId, splitGoldenId } from '#src/platform/ids.ts';
import { checkpointNames, podmanRuntime } from './checkpoint-names.ts';
import { type WrittenStream, writeStream } from './write-stream.ts';

export interface WrittenImage {
  /** Of the manifest: by which a registry knows the image. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Of a golden, what its image tells. */
export interface Subject {
  readonly golden: GoldenId;
  /** Of its manifest. */
  readonly digest: string;
  /** Of the image that it lies on. */
  readonly imageDigest: string;
}

interface ImageOptions {
  /** Undefined: the layout's only image, without a name. */
  readonly tag: string | undefined;
  /** By zstd, which docker archives can not hold. */
  readonly isPacked: boolean;
}

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

/**
 * Writes an OCI layout with one image: its one layer is the archive that `writeArchive` writes, its manifest carries the annotations by which
 * podman, CRI-O and containerd know a checkpoint, its configuration the same as labels, because docker archives keep no annotations.
 */
export async function writeCheckpointImage(
  layout: string,
  subject: Subject,
  { tag, isPacked }: ImageOptions,
  writeArchive: (sink: Writable, signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<WrittenImage> {
  const blobs = join(layout, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true, mode: 0o700 });
  const layerFile = join(layout, 'layer');
  const layer = await writeStream(layerFile, { isPacked }, writeArchive, signal);
  await rename(layerFile, blobFile(blobs, layer.digest));
  const notes = describe(subject);
  const config = await writeBlob(blobs, imageConfig(notes, layer));
  const manifest = await writeBlob(blobs, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...config },
    layers: [{ mediaType: `${mediaTypes.layer}${isPacked ? '+zstd' : ''}`, digest: layer.digest, size: layer.sizeBytes }],
    annotations: notes,
  });
  const name = tag === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': tag } };
  const index = { schemaVersion: 2, manifests: [{ mediaType: mediaTypes.manifest, ...manifest, ...name }] };
  await writeFile(join(layout, 'index.json'), JSON.stringify(index), { mode: 0o600 });
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }), { mode: 0o600 });
  return { digest: manifest.digest, sizeBytes: layer.sizeBytes + config.size + manifest.size };
}

function describe({ golden, digest, imageDigest }: Subject): Record<string, string> {
  const { template } = splitGoldenId(golden);
  const names = checkpointNames.map((name) => [name, template]);
  return {
    ...Object.fromEntries(names),
    ...podmanRuntime,
    'thaw.golden': golden,
    'thaw.digest': digest,
    'thaw.image.digest': imageDigest,
  };
}

/** containerd knows images by the digest of this: two exports of one golden must not be one image to it, hence the label. */
function imageConfig(notes: Record<string, string>, layer: WrittenStream): unknown {
  const created = new Date(systemClock.nowMs()).toISOString();
  return {
    created,
    ...machine,
    config: { Labels: { ...notes, 'thaw.export': randomUUID() } },
    rootfs: { type: 'layers', diff_ids: [layer.plainDigest] },
    history: [{ created, created_by: 'thaw' }],
  };
}

async function writeBlob(blobs: string, content: unknown): Promise<{ digest: string; size: number }> {
  const json = JSON.stringify(content);
  const digest = `sha256:${createHash('sha256').update(json).digest('hex')}`;
  await writeFile(blobFile(blobs, digest), json, { mode: 0o600 });
  return { digest, size: Buffer.byteLength(json) };
}

function blobFile(blobs: string, digest: string): string {
  return join(blobs, digest.replace('sha256:', ''));
}
