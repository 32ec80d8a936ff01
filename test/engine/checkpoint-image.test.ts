import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { layoutSource, registrySource } from '#src/engine/criu/images/image-source.ts';
import { digestOf } from '#src/engine/criu/images/manifest.ts';
import { inspectManifest, pushAsIs } from '#src/engine/criu/images/skopeo.ts';
import { checkpointNames } from '#src/engine/criu/move/checkpoint-names.ts';
import { fetchArchive } from '#src/engine/criu/move/fetch-archive.ts';
import { openWorkspace } from '#src/engine/criu/move/workspace.ts';
import { parseGoldenPlace } from '#src/engine/golden-place.ts';
import { someArchive, writeSomeImage } from '#test/support/checkpoint-image.ts';
import { addIndex, addTinyImage } from '#test/support/oci-layout.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { foreign, here } from '#test/support/test-image-store.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

const idle = new AbortController().signal;
let temporary: Awaited<ReturnType<typeof makeTempDir>>;
let directory: string;
let registry: TestRegistry;
let closed: TestRegistry;

beforeAll(async () => {
  temporary = await makeTempDir();
  directory = temporary.path;
  [registry, closed] = await Promise.all([startTestRegistry({ auth: false }), startTestRegistry({ auth: true })]);
});

afterAll(async () => {
  await Promise.all([registry?.stop(), closed?.stop()]);
  await temporary?.[Symbol.asyncDispose]();
});

const access = (...more: string[]) => ({ imageRoots: [directory], insecureRegistries: [registry.host, closed.host, ...more] });
const skopeo = () => ({ ...access(), tmpDir: directory });

/** The bytes of the archive that lies there, as an import finds them. */
async function fetched(from: string, ...insecure: string[]): Promise<Buffer> {
  await using workspace = await openWorkspace(join(directory, 'moves'));
  const deps = { imageAccess: access(...insecure), diskReserveBytes: 0 };
  return await readFile(await fetchArchive(deps, workspace, parseGoldenPlace(from), idle));
}

function registryPlace(text: string) {
  const place = parseGoldenPlace(text);
  if (place.kind !== 'registry') throw new Error(`${text} is no registry`);
  return place;
}

async function push(layout: string, name: string): Promise<void> {
  await pushAsIs(skopeo(), layout, registrySource(registryPlace(`docker://${name}`)), idle);
}

/** Gives the one image of a layout another configuration or manifest. */
async function rewrite(layout: string, change: (blobs: { config: Blob; manifest: Blob }) => void): Promise<void> {
  const file = (digest: string) => join(layout, 'blobs/sha256', digest.slice('sha256:'.length));
  const put = async (content: unknown) => {
    const json = JSON.stringify(content);
    await writeFile(file(digestOf(json)), json);
    return { digest: digestOf(json), size: Buffer.byteLength(json) };
  };
  const index = Index.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')));
  const manifest = Blob.parse(JSON.parse(await readFile(file(index.manifests[0]?.digest ?? ''), 'utf8')));
  const about = z.looseObject({ digest: z.string() }).parse(manifest.config);
  const config = Blob.parse(JSON.parse(await readFile(file(about.digest), 'utf8')));
  change({ config, manifest });
  manifest.config = { ...about, ...(await put(config)) };
  const manifests = [{ ...index.manifests[0], ...(await put(manifest)) }];
  await writeFile(join(layout, 'index.json'), JSON.stringify({ ...index, manifests }));
}

const Blob = z.record(z.string(), z.unknown());
type Blob = z.infer<typeof Blob>;
const Index = z.looseObject({ manifests: z.array(z.looseObject({ digest: z.string() })) });
const Annotated = z.object({ annotations: z.record(z.string(), z.string()) });

describe('a checkpoint image', () => {
  it('is in a registry what it was, and comes back to the byte', async () => {
    const image = await writeSomeImage(directory, 'one');
    await push(image.layout, `${registry.host}/goldens/api:7`);
    const manifest = await inspectManifest(skopeo(), registrySource(registryPlace(`docker://${registry.host}/goldens/api:7`)), idle);
    expect(digestOf(manifest)).toBe(image.digest);
    const { annotations } = Annotated.parse(JSON.parse(manifest));
    for (const name of checkpointNames) expect(annotations[name]).toBe('api');
    expect(zstdDecompressSync(await fetched(`docker://${registry.host}/goldens/api:7`))).toEqual(someArchive);
    expect(zstdDecompressSync(await fetched(`docker://${registry.host}/goldens/api@${image.digest}`))).toEqual(someArchive);
  });

  it('comes back to the byte through an OCI layout and through a docker archive, which keeps its labels alone', async () => {
    const image = await writeSomeImage(directory, 'two', { isPacked: false, tag: 'v7' });
    expect(await fetched(`oci:${image.layout}:v7`)).toEqual(someArchive);
    const file = join(directory, 'two.tar');
    const { layout } = await writeSomeImage(directory, 'two-plain', { isPacked: false });
    await pushAsIs(skopeo(), layout, layoutSource({ kind: 'docker-archive', text: file, path: file, name: 'api:7' }, file), idle);
    expect(await fetched(`docker-archive:${file}:api:7`)).toEqual(someArchive);
  });

  it('is found in an index of several platforms, in a layout and in a registry', async () => {
    const { layout } = await writeSomeImage(directory, 'many', { isPacked: false, tag: 'x' });
    await addIndex(layout, 'many', [{ tag: 'x', architecture: here }]);
    expect(await fetched(`oci:${layout}:many`)).toEqual(someArchive);
    await registry.push(layout, 'many', 'many:1');
    const bytes = await fetched(`docker://${registry.host}/many:1`);
    expect(bytes.subarray(0, 2).toString('hex') === '1f8b' ? gunzipSync(bytes) : bytes).toEqual(someArchive); // this push packs it
  });

  it('whose index names a manifest that is not there is refused as such', async () => {
    const { layout, digest } = await writeSomeImage(directory, 'hollow', { isPacked: false, tag: 'x' });
    await addIndex(layout, 'many', [{ tag: 'x', architecture: here }]);
    await rm(join(layout, 'blobs/sha256', digest.slice('sha256:'.length)));
    await expect(fetched(`oci:${layout}:many`)).rejects.toMatchObject({ code: 'image_unusable', message: expect.stringContaining(digest) });
  });

  it('has a configuration of its own at each export', async () => {
    const [one, other] = [await writeSomeImage(directory, 'three'), await writeSomeImage(directory, 'four')];
    expect(one.digest).not.toBe(other.digest);
  });
});

describe('an image that is no checkpoint of this machine', () => {
  const refused = (code: string, message: string) => ({ code, message: expect.stringContaining(message) });

  it('is refused before its layer is fetched', async () => {
    const layout = join(directory, 'tiny');
    await addTinyImage(layout, 'plain');
    await expect(fetched(`oci:${layout}:plain`)).rejects.toMatchObject(refused('image_unusable', 'none of the annotations'));
    await expect(fetched(`oci:${layout}:other`)).rejects.toMatchObject({ code: 'image_not_found' });
    await expect(fetched(`docker://${registry.host}/nothing:1`)).rejects.toMatchObject({ code: 'image_not_found' });
  });

  it('is refused when it has several layers, is for another architecture, or its manifest is none', async () => {
    const { layout } = await writeSomeImage(directory, 'layers', { tag: 'x' });
    await rewrite(layout, ({ manifest }) => {
      manifest.layers = z
        .array(z.unknown())
        .parse(manifest.layers)
        .flatMap((layer) => [layer, layer]);
    });
    await expect(fetched(`oci:${layout}:x`)).rejects.toMatchObject(refused('image_unusable', '2 layers'));
    const other = await writeSomeImage(directory, 'foreign', { tag: 'x' });
    await rewrite(other.layout, ({ config }) => {
      config.architecture = foreign;
    });
    await expect(fetched(`oci:${other.layout}:x`)).rejects.toMatchObject(refused('image_unusable', `linux/${here}`));
  });

  it('is refused when its layer is not what the manifest says', async () => {
    const { layout } = await writeSomeImage(directory, 'altered', { tag: 'x' });
    await rewrite(layout, () => {});
    const [layer = ''] = await largestBlobs(layout);
    const bytes = await readFile(layer);
    bytes.writeUInt8(bytes.readUInt8(5000) ^ 1, 5000);
    await writeFile(layer, bytes);
    await expect(fetched(`oci:${layout}:x`)).rejects.toMatchObject({ code: 'image_unusable' });
  });
});

async function largestBlobs(layout: string): Promise<string[]> {
  const manifest = Index.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))).manifests[0]?.digest ?? '';
  const Layers = z.object({ layers: z.array(z.object({ digest: z.string() })) });
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  return Layers.parse(JSON.parse(await readFile(blob(manifest), 'utf8'))).layers.map(({ digest }) => blob(digest));
}

describe('a registry', () => {
  it('that is down is told', async () => {
    const gone = await startTestRegistry({ auth: false });
    await gone.stop();
    const { layout } = await writeSomeImage(directory, 'down');
    await expect(fetched(`docker://${gone.host}/api:7`, gone.host)).rejects.toMatchObject({ code: 'image_pull_failed' });
    const deps = { ...access(gone.host), tmpDir: directory };
    const pushed = pushAsIs(deps, layout, registrySource(registryPlace(`docker://${gone.host}/api:7`)), idle);
    await expect(pushed).rejects.toMatchObject({ code: 'image_push_failed', message: expect.stringContaining('connection refused') });
  });

  it('that asks for credentials is told, with what to do', async () => {
    const { layout } = await writeSomeImage(directory, 'asks');
    const fix = expect.stringContaining('THAW_REGISTRY_AUTH_FILE');
    await expect(fetched(`docker://${closed.host}/api:7`)).rejects.toMatchObject({ code: 'image_pull_failed', fix });
    await expect(push(layout, `${closed.host}/api:7`)).rejects.toMatchObject({ code: 'image_push_failed', fix });
  });

  it('that sends more than it said is cut off', async () => {
    const { layout } = await writeSomeImage(directory, 'flood', { tag: 'x' });
    await using flood = await serveEndless(layout);
    await expect(fetched(`docker://${flood.host}/api:7`, flood.host)).rejects.toMatchObject({
      code: 'image_unusable',
      message: expect.stringContaining('larger than its manifest says'),
    });
  });
});

/** A registry whose layers never end. */
async function serveEndless(layout: string): Promise<AsyncDisposable & { readonly host: string }> {
  const index = Index.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')));
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const manifest = await readFile(blob(index.manifests[0]?.digest ?? ''), 'utf8');
  const { config } = z.object({ config: z.object({ digest: z.string() }) }).parse(JSON.parse(manifest));
  const server: Server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://registry');
    if (pathname.includes('/manifests/')) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json').end(manifest);
    } else if (pathname.endsWith(config.digest)) response.end(await readFile(blob(config.digest)));
    else if (pathname.includes('/blobs/')) sendForEver();
    else response.end('{}');
    function sendForEver(): void {
      while (!response.destroyed && response.write(someArchive)); // until it is full
      response.once('drain', sendForEver);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
