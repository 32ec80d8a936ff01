import { lstat, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveLayout } from '#src/engine/criu/archives/archive.ts';
import { makeDiff } from '#src/engine/criu/archives/foreign-diff.ts';
import { packTar } from '#src/engine/criu/archives/small-tar.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const { signal } = new AbortController();
const file = (name: string, content = '') => ({ header: { name }, content });

/** An image of a few files, and an unpacked archive beside it. */
async function prepare(directory: string, layer: Buffer, deleted: readonly string[] = []) {
  const archive = archiveLayout(join(directory, 'archive'));
  const [rootfs, diff] = [join(directory, 'rootfs'), join(directory, 'diff')];
  await mkdir(join(rootfs, 'etc/old/deep'), { recursive: true });
  await mkdir(join(rootfs, 'tmp'), { mode: 0o1777 });
  for (const name of ['etc/a', 'etc/b', 'etc/old/c', 'etc/old/deep/d']) await writeFile(join(rootfs, name), '');
  await mkdir(archive.directory);
  await writeFile(archive.rootfsDiff, layer);
  await writeFile(archive.deletedFiles, JSON.stringify(deleted));
  return { archive, rootfs, diff };
}

async function isWhiteout(path: string): Promise<boolean> {
  const stats = await lstat(path);
  return stats.isCharacterDevice() && stats.rdev === 0;
}

describe("another engine's changes of the root file system", () => {
  it("become a layer: directories that the tar leaves out are as the image's, what was deleted a whiteout", async () => {
    await using directory = await makeTempDir();
    const { archive, rootfs, diff } = await prepare(directory.path, await packTar([file('tmp/made', 'new')]), [
      '/etc/a',
      '/etc/old',
      '/etc/old', // twice: no other than once
      '/tmp/never',
    ]);
    await makeDiff({ layout: archive, engine: 'podman' }, rootfs, diff, ['/run/thaw', '/etc/machine-id', '/sys/fs/cgroup'], signal);
    expect(await readFile(join(diff, 'tmp/made'), 'utf8')).toBe('new');
    expect((await stat(join(diff, 'tmp'))).mode & 0o7777).toBe((await stat(join(rootfs, 'tmp'))).mode & 0o7777);
    expect(await isWhiteout(join(diff, 'etc/a'))).toBe(true);
    expect(await isWhiteout(join(diff, 'etc/old'))).toBe(true);
    expect(await readdir(diff, { recursive: true })).toEqual(
      expect.arrayContaining(['run/thaw', 'etc/machine-id']), // mount points that the image lacks
    );
    expect(await readdir(diff)).not.toContain('sys');
    expect(await readdir(join(diff, 'tmp'))).toEqual(['made']);
  });

  it("of containerd come packed, as a layer of an image's: its marks become whiteouts", async () => {
    await using directory = await makeTempDir();
    const layer = await packTar([file('etc/.wh.b'), file('etc/old/.wh..wh..opq'), file('etc/old/new', 'new')]);
    const { archive, rootfs, diff } = await prepare(directory.path, gzipSync(layer));
    await makeDiff({ layout: archive, engine: 'containerd' }, rootfs, diff, [], signal);
    for (const gone of ['etc/b', 'etc/old/c', 'etc/old/deep']) expect(await isWhiteout(join(diff, gone)), gone).toBe(true);
    expect((await readdir(join(diff, 'etc/old'))).sort()).toEqual(['c', 'deep', 'new']);
    expect((await readdir(join(diff, 'etc'))).sort()).toEqual(['b', 'old']);
  });
});
