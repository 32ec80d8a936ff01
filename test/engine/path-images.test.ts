import { chmod, cp, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '#src/platform/subprocess.ts';
import { addBlob, addIndex, addTinyImage, makeTinyRootfs } from '#test/support/oci-layout.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { foreign, here, openTestStore, readMarker } from '#test/support/test-image-store.ts';

let images: Awaited<ReturnType<typeof makeTempDir>>;
let layout: string;

beforeAll(async () => {
  images = await makeTempDir();
  layout = join(images.path, 'layout');
  await addTinyImage(layout, 'one', ['--config.user', 'app', '--config.cmd', 'sh']);
  await addTinyImage(layout, 'two');
  await addTinyImage(layout, 'foreign', ['--architecture', foreign]);
});

afterAll(async () => {
  await images?.[Symbol.asyncDispose]();
});

function openStore() {
  return openTestStore({ imageRoots: [images.path] });
}

describe('an image in a path', () => {
  it('oci: with an index nested in it is the platform of this machine', async () => {
    const index = await addIndex(layout, 'nested', [
      { tag: 'foreign', architecture: foreign },
      { tag: 'two', architecture: here },
    ]);
    await using opened = await openStore();
    const image = await opened.store.ensure(`oci:${layout}:nested`);
    expect(await readMarker(image)).toBe('two');
    expect(image.digest).not.toBe(index);
  });

  it('oci: with zstd layers can be unpacked', async () => {
    const zstd = join(images.path, 'zstd');
    await run(['skopeo', '--insecure-policy', 'copy', '-q', '--dest-compress-format', 'zstd', `oci:${layout}:one`, `oci:${zstd}:one`], {
      timeoutMs: 30_000,
    });
    await using opened = await openStore();
    expect(await readMarker(await opened.store.ensure(`oci:${zstd}:one`))).toBe('one');
  });

  it('oci: with a flipped byte is refused', async () => {
    const flipped = join(images.path, 'flipped');
    await cp(layout, flipped, { recursive: true });
    for (const blob of await readdir(join(flipped, 'blobs/sha256'))) {
      const path = join(flipped, 'blobs/sha256', blob);
      const { size } = await stat(path);
      if (size > 100_000)
        await run(['dd', 'if=/dev/zero', `of=${path}`, 'bs=1', 'count=8', `seek=${size - 100}`, 'conv=notrunc'], { timeoutMs: 5_000 });
    }
    await using opened = await openStore();
    await expect(opened.store.ensure(`oci:${flipped}:one`)).rejects.toMatchObject({ code: 'image_unusable' });
    expect(await readdir(opened.directory)).toEqual([]);
  });

  it('oci: of an artifact is refused as no container image', async () => {
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const config = { mediaType: 'application/vnd.example.chart+json', digest: `sha256:${'0'.repeat(64)}`, size: 2 };
    await addBlob(layout, 'artifact', mediaType, { schemaVersion: 2, mediaType, config, layers: [] });
    await using opened = await openStore();
    await expect(opened.store.ensure(`oci:${layout}:artifact`)).rejects.toMatchObject({
      code: 'image_unusable',
      message: expect.stringContaining('no container image but application/vnd.example.chart+json'),
    });
  });

  it('oci: of several must say which', async () => {
    await using opened = await openStore();
    await expect(opened.store.ensure(`oci:${layout}`)).rejects.toMatchObject({
      code: 'image_reference_invalid',
      fix: expect.stringContaining('add the name'),
    });
    await expect(opened.store.ensure(`oci:${layout}:nosuch`)).rejects.toMatchObject({ code: 'image_not_found' });
  });

  it('docker-archive: is read, by the name of the image in it or without', async () => {
    const archive = join(images.path, 'one.tar');
    await run(['skopeo', '--insecure-policy', 'copy', '-q', `oci:${layout}:one`, `docker-archive:${archive}:app:1`], { timeoutMs: 30_000 });
    await using opened = await openStore();
    const image = await opened.store.ensure(`docker-archive:${archive}`);
    expect(await readMarker(image)).toBe('one');
    expect(image.config).toMatchObject({ user: 'app', cmd: ['sh'] });
    expect(await opened.store.ensure(`docker-archive:${archive}:app:1`)).toEqual(image);
    await expect(opened.store.ensure(`docker-archive:${archive}:app:2`)).rejects.toMatchObject({ code: 'image_not_found' });
  });

  it.each(['oci:NO:one', 'docker-archive:NO', 'dir:NO'])('%s that does not exist is named', async (form) => {
    await using opened = await openStore();
    const path = join(images.path, 'absent');
    await expect(opened.store.ensure(form.replace('NO', path))).rejects.toMatchObject({
      code: 'image_not_found',
      message: expect.stringContaining(path),
    });
  });

  it('that is something else is refused as no image', async () => {
    await writeFile(join(images.path, 'text'), 'hello');
    await using opened = await openStore();
    for (const form of [`docker-archive:${images.path}/text`, `dir:${images.path}/text`]) {
      await expect(opened.store.ensure(form)).rejects.toMatchObject({ code: 'image_unusable' });
    }
  });

  it('behind a symlink that leads out of the roots is refused, one that stays inside is followed', async () => {
    await using outside = await makeTempDir();
    await makeTinyRootfs(join(outside.path, 'rootfs'), 'outside');
    await symlink(outside.path, join(images.path, 'escape'));
    await symlink('layout', join(images.path, 'inside'));
    await using opened = await openStore();
    await expect(opened.store.ensure(`dir:${images.path}/escape/rootfs`)).rejects.toMatchObject({
      code: 'image_reference_invalid',
      message: expect.stringContaining(outside.path),
    });
    expect(await readMarker(await opened.store.ensure(`oci:${images.path}/inside:one`))).toBe('one');
  });
});

describe('a dir: image', () => {
  it('is copied: what the source becomes later is another image', async () => {
    const source = join(images.path, 'changing');
    await makeTinyRootfs(source, 'first');
    await using opened = await openStore();
    const first = await opened.store.ensure(`dir:${source}`);
    expect(await opened.store.ensure(`dir:${source}`)).toEqual(first);
    await writeFile(join(source, 'marker'), 'later');
    const later = await opened.store.ensure(`dir:${source}`);
    expect(later.digest).not.toBe(first.digest);
    expect([await readMarker(first), await readMarker(later)]).toEqual(['first', 'later']);
    expect(first.config).toMatchObject({ cmd: [], entrypoint: [], user: '' });
  });

  it('has another digest when a mode, an owner, a link or a name differs, and the same when only times do', async () => {
    const source = join(images.path, 'digests');
    await makeTinyRootfs(source, 'same');
    await using opened = await openStore();
    const digestAfter = async (...argv: [string, ...string[]]) => {
      await run(argv, { timeoutMs: 5_000, cwd: source });
      return (await opened.store.ensure(`dir:${source}`)).digest;
    };
    const first = await digestAfter('touch', '-d', '2001-01-01', 'marker');
    expect(await digestAfter('touch', 'marker')).toBe(first);
    const changed = [
      await digestAfter('chmod', '4755', 'marker'),
      await digestAfter('chown', '1000:1000', 'marker'),
      await digestAfter('ln', '-sfn', 'marker', 'bin/sh'),
      await digestAfter('mv', 'marker', 'marker2'),
    ];
    expect(new Set([first, ...changed]).size).toBe(5);
  });

  it('that is too deep to be copied is refused with a path', async () => {
    const source = join(images.path, 'deep');
    await makeTinyRootfs(source, 'deep');
    await run(['perl', '-e', 'for (1 .. 30) { mkdir "d" x 240; chdir "d" x 240 or die }'], { timeoutMs: 10_000, cwd: source });
    await using opened = await openStore();
    await expect(opened.store.ensure(`dir:${source}`)).rejects.toMatchObject({
      code: 'image_unusable',
      message: expect.stringMatching(/more than 3500 bytes; it begins with d{100}$/),
    });
  });

  it('keeps owners, modes and links; leaves out devices, sockets, fifos and extended attributes', async () => {
    const source = join(images.path, 'special');
    await makeTinyRootfs(source, 'special');
    for (const argv of [
      ['mkfifo', 'fifo'],
      ['mknod', 'null', 'c', '1', '3'],
      ['chown', '1000:1001', 'marker'],
      ['chmod', '4750', 'marker'],
      ['ln', '-s', '/etc/shadow', 'out'],
    ] as const) {
      await run(argv, { timeoutMs: 5_000, cwd: source });
    }
    await chmod(source, 0o700);
    await using opened = await openStore();
    const image = await opened.store.ensure(`dir:${source}`);
    expect((await readdir(image.rootfs)).sort()).toEqual(['bin', 'etc', 'marker', 'out']);
    expect(await stat(join(image.rootfs, 'marker'))).toMatchObject({ uid: 1000, gid: 1001, mode: 0o104750 });
    expect((await stat(image.rootfs)).mode & 0o777).toBe(0o755);
    expect(await opened.store.ensure(`dir:${source}`)).toEqual(image);
  });
});
