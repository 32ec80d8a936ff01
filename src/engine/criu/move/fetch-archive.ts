import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import { resolveImagePath } from '#src/engine/criu/images/image-path.ts';
import { type ImageSource, layoutSource, registrySource } from '#src/engine/criu/images/image-source.ts';
import { digestOf, foreignPlatform, machine, parseManifest, pickPlatform } from '#src/engine/criu/images/manifest.ts';
import { inspectConfig, inspectManifest, pullAsIs, type SkopeoDeps } from '#src/engine/criu/images/skopeo.ts';
import { requireDisk } from '#src/engine/criu/node-reserve.ts';
import type { ArchivePlace, GoldenPlace } from '#src/engine/golden-place.ts';
import type { LayoutReference, RegistryReference } from '#src/engine/image-reference.ts';
import { ThawError } from '#src/platform/errors.ts';
import { checkpointNames } from './checkpoint-names.ts';
import type { Workspace } from './workspace.ts';

export type FetchDeps = Pick<CriuDeps, 'imageAccess' | 'diskReserveBytes'>;

/** Beside its layer: a manifest and a configuration, which skopeo keeps below 4 MB each. */
const smallBlobBytes = 4 * 1024 * 1024;

/**
 * The file on this node that holds the archive: the one that is named, or the layer of an image, which is fetched only if it says that it is
 * a checkpoint. Throws image_not_found, archive_invalid, image_pull_failed, image_unusable, image_reference_invalid, disk_reserve.
 */
export async function fetchArchive(deps: FetchDeps, workspace: Workspace, place: GoldenPlace, signal: AbortSignal): Promise<string> {
  if (place.kind === 'archive') return await namedFile(deps, place);
  const skopeo: SkopeoDeps = { ...deps.imageAccess, tmpDir: workspace.directory };
  const source = await sourceOf(deps, skopeo, place, signal);
  await requireCheckpoint(skopeo, source, signal);
  requireDisk(`image ${place.text}`, workspace.directory, source.layersBytes, deps.diskReserveBytes);
  const layout = join(workspace.directory, 'layout');
  await pullAsIs(skopeo, source, layout, source.layersBytes + smallBlobBytes, signal);
  return await layerFile(layout, place.text);
}

/** Anything else would block, or read as something else each time. */
async function namedFile({ imageAccess }: FetchDeps, place: ArchivePlace): Promise<string> {
  const path = await resolveImagePath(imageAccess.imageRoots, place);
  if ((await stat(path)).isFile()) return path;
  throw new ThawError('archive_invalid', `${place.text} is no regular file`, {
    fix: 'Name the file of an archive; an OCI layout is oci:/path:tag.',
  });
}

interface CheckpointSource extends ImageSource {
  readonly layersBytes: number;
  /** Of the manifest, and of the index above it where there is one. */
  readonly annotations: Readonly<Record<string, string>>;
}

const Annotated = z.object({ annotations: z.record(z.string(), z.string()).nullish() });

/** A registry's image is held by the digest of what was looked at, so that a tag moved meanwhile changes nothing. */
async function sourceOf(
  deps: FetchDeps,
  skopeo: SkopeoDeps,
  place: RegistryReference | LayoutReference,
  signal: AbortSignal,
): Promise<CheckpointSource> {
  const path = place.kind === 'registry' ? undefined : await resolveImagePath(deps.imageAccess.imageRoots, place);
  const named = place.kind === 'registry' ? registrySource(place) : layoutSource(place, path ?? place.path);
  const top = await inspectManifest(skopeo, named, signal);
  const platform = pickPlatform(place.text, top);
  const source = place.kind === 'registry' ? registrySource(place, platform ?? digestOf(top)) : named;
  const raw =
    platform === undefined
      ? top
      : await (path === undefined ? inspectManifest(skopeo, source, signal) : readManifest(place.text, path, platform));
  const layersBytes = oneLayer(place.text, raw); // first: it refuses what is no manifest
  return { ...source, annotations: { ...annotationsOf(top), ...annotationsOf(raw) }, layersBytes };
}

/** skopeo has no name for what lies in an index inside a layout. */
async function readManifest(image: string, layout: string, digest: string): Promise<string> {
  const file = join(layout, 'blobs', ...digest.split(':'));
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isFile() && stats.size <= smallBlobBytes) return await readFile(file, 'utf8');
  throw noCheckpoint(image, `its manifest ${digest} is missing, or is none`);
}

function annotationsOf(manifest: string): Record<string, string> {
  return Annotated.safeParse(JSON.parse(manifest)).data?.annotations ?? {};
}

const Layers = z.object({ layers: z.array(z.object({ digest: z.string().regex(/^sha256:[a-f0-9]{64}$/), size: z.number() })) });

function oneLayer(image: string, manifest: string): number {
  const { layersBytes } = parseManifest(image, manifest);
  const count = Layers.safeParse(JSON.parse(manifest)).data?.layers.length ?? 0;
  if (count === 1) return layersBytes;
  throw noCheckpoint(image, `it has ${count} layers named by sha256, where a checkpoint image has one`);
}

const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

/** Before anything large is fetched. Docker archives keep no annotations: there our labels tell. */
async function requireCheckpoint(skopeo: SkopeoDeps, source: CheckpointSource, signal: AbortSignal): Promise<void> {
  const config = Config.safeParse(JSON.parse(await inspectConfig(skopeo, source, signal)));
  if (!config.success) throw noCheckpoint(source.text, 'its configuration can not be read');
  const { os, architecture, config: said } = config.data;
  const notes = { ...said?.Labels, ...source.annotations };
  if (!checkpointNames.some((name) => notes[name] !== undefined)) {
    throw noCheckpoint(source.text, `it has none of the annotations by which one is known (${checkpointNames.join(', ')})`);
  }
  if (os !== machine.os || architecture !== machine.architecture) throw foreignPlatform(source.text, `${os}/${architecture}`);
}

const Index = z.object({ manifests: z.array(z.object({ digest: z.string().regex(/^sha256:[a-f0-9]{64}$/) })).length(1) });

/** Its content was compared with its digest by skopeo on the way. */
async function layerFile(layout: string, image: string): Promise<string> {
  const [top] = Index.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))).manifests;
  const manifest = await readManifest(image, layout, top?.digest ?? '');
  oneLayer(image, manifest);
  const [layer] = Layers.parse(JSON.parse(manifest)).layers;
  return join(layout, 'blobs', ...(layer?.digest ?? '').split(':'));
}

function noCheckpoint(image: string, why: string): ThawError {
  return new ThawError('image_unusable', `image ${image} holds no checkpoint: ${why}`, {
    fix: 'Name an image made by an export of a golden, by podman or from an archive of the kubelet.',
  });
}
