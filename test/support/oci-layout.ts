import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { run } from '#src/platform/subprocess.ts';

const timeoutMs = 30_000;
const refName = 'org.opencontainers.image.ref.name';

const Top = z.looseObject({
  manifests: z.array(
    z.object({ mediaType: z.string(), digest: z.string(), size: z.number(), annotations: z.record(z.string(), z.string()).optional() }),
  ),
});

/** A root filesystem of busybox, an /etc/passwd with `app` (1000:1000) and `/marker` holding the given text. */
export async function makeTinyRootfs(directory: string, marker: string): Promise<void> {
  await Promise.all([mkdir(join(directory, 'bin'), { recursive: true }), mkdir(join(directory, 'etc'), { recursive: true })]);
  await copyFile('/bin/busybox', join(directory, 'bin/busybox'));
  await symlink('busybox', join(directory, 'bin/sh'));
  await writeFile(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n');
  await writeFile(join(directory, 'marker'), marker);
}

/** Adds an image with that root filesystem to an OCI layout under `tag`; `config` are options of `umoci config`. */
export async function addTinyImage(layout: string, tag: string, config: readonly string[] = []): Promise<void> {
  const rootfs = await mkdtemp(join(dirname(layout), 'rootfs-'));
  await makeTinyRootfs(rootfs, tag);
  if (!existsSync(layout)) await run(['umoci', 'init', '--layout', layout], { timeoutMs });
  const image = `${layout}:${tag}`;
  await run(['umoci', 'new', '--image', image], { timeoutMs });
  await run(['umoci', 'insert', '--image', image, rootfs, '/'], { timeoutMs });
  if (config.length > 0) await run(['umoci', 'config', '--image', image, ...config], { timeoutMs });
  await rm(rootfs, { recursive: true });
}

/** Adds an index of several platforms under `tag`, as `docker buildx` nests it in the layout. Answers the digest of the index. */
export async function addIndex(layout: string, tag: string, images: readonly { tag: string; architecture: string }[]): Promise<string> {
  const { manifests: known } = await readTop(layout);
  const manifests = images.map(({ tag, architecture }) => {
    const found = known.find(({ annotations }) => annotations?.[refName] === tag);
    return { mediaType: found?.mediaType, digest: found?.digest, size: found?.size, platform: { os: 'linux', architecture } };
  });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return await addBlob(layout, tag, mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** Adds any JSON as a blob that the layout's index names `tag`. Answers its digest. */
export async function addBlob(layout: string, tag: string, mediaType: string, content: unknown): Promise<string> {
  const json = JSON.stringify(content);
  const hex = createHash('sha256').update(json).digest('hex');
  await writeFile(join(layout, 'blobs/sha256', hex), json);
  const entry = { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(json), annotations: { [refName]: tag } };
  const top = await readTop(layout);
  await writeFile(join(layout, 'index.json'), JSON.stringify({ ...top, manifests: [...top.manifests, entry] }));
  return entry.digest;
}

async function readTop(layout: string): Promise<z.infer<typeof Top>> {
  return Top.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')));
}
