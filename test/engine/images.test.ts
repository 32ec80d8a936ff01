import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createImageStore, type ImageStoreDeps } from '#src/engine/criu/images/image-store.ts';
import { resolveUser } from '#src/engine/criu/images/resolve-user.ts';
import { addIndex, addTinyImage, makeTinyRootfs } from '#test/support/oci-layout.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { foreign, here, openTestStore, readMarker } from '#test/support/test-image-store.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

let images: Awaited<ReturnType<typeof makeTempDir>>;
let layout: string;
let registry: TestRegistry;

beforeAll(async () => {
  images = await makeTempDir();
  layout = join(images.path, 'layout');
  await addTinyImage(layout, 'one', [
    '--config.user',
    'app',
    '--config.env',
    'GREETING=a=b',
    '--config.workingdir',
    '/srv',
    '--config.cmd',
    'sh',
  ]);
  await addTinyImage(layout, 'two');
  await addTinyImage(layout, 'foreign', ['--architecture', foreign]);
  registry = await startTestRegistry({ auth: false });
});

afterAll(async () => {
  await registry?.stop();
  await images?.[Symbol.asyncDispose]();
});

function openStore(over: Partial<ImageStoreDeps> = {}) {
  return openTestStore({ imageRoots: [images.path], insecureRegistries: [registry.host], ...over });
}

describe('an image of a registry', () => {
  it('is unpacked with its owners and modes, and its configuration is kept', async () => {
    await registry.push(layout, 'one', 'app:1');
    await using opened = await openStore();
    const image = await opened.store.ensure(`${registry.host}/app:1`);
    expect(image.config).toEqual({
      env: { PATH: expect.stringContaining('/usr/bin'), GREETING: 'a=b' },
      entrypoint: [],
      cmd: ['sh'],
      workdir: '/srv',
      user: 'app',
    });
    expect(await resolveUser(image.rootfs, image.config.user)).toMatchObject({ uid: 1000, gid: 1000, home: '/home/app' });
    expect(await readMarker(image)).toBe('one');
    expect((await stat(join(image.rootfs, 'bin/busybox'))).mode & 0o7777).toBe(0o755);
    expect(opened.store.find(image.digest)).toEqual(image);
    expect(await opened.store.list()).toEqual([image]);
    expect(await readdir(opened.directory)).toEqual([image.digest.replace(':', '-')]);
    expect((await readdir(join(image.rootfs, '..'))).sort()).toEqual(['image.json', 'rootfs']);
  });

  it('asked for by a tag that moved is the new content, and the old is still found by its digest', async () => {
    await registry.push(layout, 'one', 'moving:latest');
    await using opened = await openStore();
    const before = await opened.store.ensure(`${registry.host}/moving`);
    await registry.push(layout, 'two', 'moving:latest');
    const after = await opened.store.ensure(`${registry.host}/moving`);
    expect([await readMarker(before), await readMarker(after)]).toEqual(['one', 'two']);
    expect(opened.store.has(before.digest)).toBe(true);
  });

  it('is the same content in an OCI layout', async () => {
    await registry.push(layout, 'two', 'two:1');
    await using opened = await openStore();
    const fromRegistry = await opened.store.ensure(`${registry.host}/two:1`);
    expect(await opened.store.ensure(`oci:${layout}:two`)).toEqual(fromRegistry);
  });

  it('asked for twice at once is made once', async () => {
    await registry.push(layout, 'one', 'both:1');
    await using opened = await openStore();
    const asked = Array.from({ length: 3 }, () => opened.store.ensure(`${registry.host}/both:1`));
    const inodes = await Promise.all(asked.map(async (image) => (await stat((await image).rootfs)).ino));
    expect(new Set(inodes).size).toBe(1);
    expect(await readdir(opened.directory)).toHaveLength(1);
  });

  it('with several platforms is held by the one of this machine, and found by the digest of both', async () => {
    const images = [
      { tag: 'foreign', architecture: foreign },
      { tag: 'one', architecture: here },
    ];
    const index = await addIndex(layout, 'multi', images);
    await registry.push(layout, 'multi', 'multi:1');
    await using opened = await openStore();
    const image = await opened.store.ensure(`${registry.host}/multi:1`);
    expect(await readMarker(image)).toBe('one');
    expect(image.digest).not.toBe(index);
    expect(opened.store.find(index)).toEqual(image);
    expect(await opened.store.list()).toEqual([image]);
    await opened.store.remove(index);
    expect(await readdir(opened.directory)).toEqual([]);
  });

  it('for another platform is refused before its layers are fetched', async () => {
    await registry.push(layout, 'foreign', 'foreign:1');
    await using opened = await openStore();
    await expect(opened.store.ensure(`${registry.host}/foreign:1`)).rejects.toMatchObject({
      code: 'image_unusable',
      message: expect.stringContaining(`made for linux/${foreign}, this machine is linux/${here}`),
    });
    expect(await readdir(opened.directory)).toEqual([]);
  });

  it.each(['nosuch:1', 'app:nosuch', `app@sha256:${'0'.repeat(64)}`])(
    'that does not exist (%s) is the fault of the template',
    async (name) => {
      await registry.push(layout, 'one', 'app:1');
      await using opened = await openStore();
      const wanted = `${registry.host}/${name}`;
      await expect(opened.store.ensure(wanted)).rejects.toMatchObject({
        code: 'image_not_found',
        class: 'template',
        message: expect.stringContaining(wanted),
        fix: expect.stringContaining('Correct the name'),
      });
    },
  );

  it('that speaks no TLS is refused unless it is listed', async () => {
    await using opened = await openStore({ insecureRegistries: [] });
    await expect(opened.store.ensure(`${registry.host}/app:1`)).rejects.toMatchObject({
      code: 'image_pull_failed',
      fix: expect.stringContaining('THAW_INSECURE_REGISTRIES'),
    });
  });
});

describe('a registry that is down', () => {
  it('fails a tag even when its content is here, but not a digest', async () => {
    const failing = await startTestRegistry({ auth: false });
    await using opened = await openStore({ insecureRegistries: [failing.host] });
    const image = await failing
      .push(layout, 'one', 'app:1')
      .then(() => opened.store.ensure(`${failing.host}/app:1`))
      .finally(failing.stop);
    await expect(opened.store.ensure(`${failing.host}/app:1`)).rejects.toMatchObject({
      code: 'image_pull_failed',
      class: 'template',
      message: expect.stringContaining('connection refused'),
      fix: expect.stringContaining('registry runs'),
    });
    expect(await opened.store.ensure(`${failing.host}/app@${image.digest}`)).toEqual(image);
  });
});

describe('the store', () => {
  it('removes what a crash left, keeps finished images, and is closed to other users', async () => {
    await using directory = await makeTempDir();
    const deps = { directory: directory.path, imageRoots: [images.path], insecureRegistries: [], diskReserveBytes: 0 };
    const image = await createImageStore(deps).ensure(`oci:${layout}:one`);
    await mkdir(join(directory.path, 'making-x/rootfs'), { recursive: true });
    await mkdir(join(directory.path, `removing-sha256-${'0'.repeat(64)}`));
    expect(await createImageStore(deps).list()).toEqual([image]);
    expect(await readdir(directory.path)).toEqual([image.digest.replace(':', '-')]);
    expect((await stat(directory.path)).mode & 0o777).toBe(0o700);
  });

  it('removes an image, and removing it again is no error', async () => {
    await using opened = await openStore();
    const image = await opened.store.ensure(`oci:${layout}:one`);
    await opened.store.remove(image.digest);
    await opened.store.remove(image.digest);
    expect(opened.store.has(image.digest)).toBe(false);
    expect(existsSync(image.rootfs)).toBe(false);
    expect(opened.store.find('sha256:../../etc')).toBeUndefined();
  });

  it('refuses what would cross the disk reserve before anything is copied', async () => {
    await using opened = await openStore({ diskReserveBytes: 2 ** 60 });
    await makeTinyRootfs(join(images.path, 'big'), 'big');
    for (const reference of [`oci:${layout}:one`, `dir:${images.path}/big`]) {
      await expect(opened.store.ensure(reference)).rejects.toMatchObject({ code: 'disk_reserve', class: 'capacity' });
    }
    expect(await readdir(opened.directory)).toEqual([]);
  });

  it('stops when it is told to, in the middle of a pull, and leaves nothing half-made', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    const asked = once(silent, 'connection');
    await once(silent, 'listening');
    const host = `127.0.0.1:${z.object({ port: z.number() }).parse(silent.address()).port}`;
    await using opened = await openStore({ insecureRegistries: [host] });
    const controller = new AbortController();
    const reason = new Error('enough');
    const pulled = expect(opened.store.ensure(`${host}/app`, controller.signal)).rejects.toBe(reason);
    const [socket]: Socket[] = await asked;
    controller.abort(reason);
    await pulled;
    socket?.destroy();
    silent.close();
    expect(await readdir(opened.directory)).toEqual([]);
  });

  it('a failed image does not spoil the next attempt', async () => {
    const source = join(images.path, 'late');
    await using opened = await openStore();
    await expect(opened.store.ensure(`dir:${source}`)).rejects.toMatchObject({ code: 'image_not_found' });
    await makeTinyRootfs(source, 'late');
    expect(await readMarker(await opened.store.ensure(`dir:${source}`))).toBe('late');
    await rm(source, { recursive: true });
  });
});
