import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveUser } from '#src/engine/criu/images/resolve-user.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const passwd = 'root:x:0:0:root:/root:/bin/sh\n# a comment\napp:x:1000:1001::/home/app:/bin/sh\n42name:x:7:7::relative:\n';
const group = 'root:x:0:\nstaff:x:50:other,app\nwheel:x:10:app\napp:x:1001:app\n';

async function makeRootfs() {
  const directory = await makeTempDir();
  await mkdir(join(directory.path, 'etc'));
  await writeFile(join(directory.path, 'etc/passwd'), passwd);
  await writeFile(join(directory.path, 'etc/group'), group);
  return directory;
}

describe('a user is looked up in the files of the image', () => {
  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['root', { uid: 0, gid: 0, additionalGids: [], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, additionalGids: [50, 10], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [50, 10], home: '/home/app' }],
    ['app:staff', { uid: 1000, gid: 50, additionalGids: [], home: '/home/app' }],
    ['app:7777', { uid: 1000, gid: 7777, additionalGids: [], home: '/home/app' }],
    ['12345', { uid: 12345, gid: 0, additionalGids: [], home: '/' }],
    ['12345:54321', { uid: 12345, gid: 54321, additionalGids: [], home: '/' }],
    ['42name', { uid: 7, gid: 7, additionalGids: [], home: '/' }],
  ])('%j', async (user, expected) => {
    await using rootfs = await makeRootfs();
    expect(await resolveUser(rootfs.path, user)).toEqual(expected);
  });

  it.each([
    ['nobody', 'user "nobody" is not in the image\'s /etc/passwd'],
    ['4294967296', 'user "4294967296" is not in'],
    ['app:nogroup', 'group "nogroup" is not in the image\'s /etc/group'],
  ])('%s is refused by name', async (user, message) => {
    await using rootfs = await makeRootfs();
    await expect(resolveUser(rootfs.path, user)).rejects.toMatchObject({
      code: 'image_unusable',
      class: 'template',
      message: expect.stringContaining(message),
      fix: expect.any(String),
    });
  });

  it('an image without the files knows numbers only', async () => {
    await using rootfs = await makeTempDir();
    expect(await resolveUser(rootfs.path, '')).toEqual({ uid: 0, gid: 0, additionalGids: [], home: '/' });
    await expect(resolveUser(rootfs.path, 'root')).rejects.toMatchObject({ code: 'image_unusable' });
  });
});

describe('a hostile image does not lead out of itself', () => {
  it.each(['', '../../../../../../../..'])(
    'passwd as a link to a file of the host (%j before its path) is not followed there',
    async (climb) => {
      await using host = await makeTempDir();
      await using rootfs = await makeTempDir();
      await writeFile(join(host.path, 'passwd'), 'app:x:4711:4711::/:\n');
      await mkdir(join(rootfs.path, 'etc'));
      await symlink(`${climb}${host.path}/passwd`, join(rootfs.path, 'etc/passwd'));
      await expect(resolveUser(rootfs.path, 'app')).rejects.toMatchObject({ code: 'image_unusable' });
    },
  );

  it('etc as a link to the host /etc finds nothing of the host', async () => {
    await using rootfs = await makeTempDir();
    await symlink('/etc', join(rootfs.path, 'etc'));
    await expect(resolveUser(rootfs.path, 'root')).rejects.toMatchObject({
      code: 'image_unusable',
      message: expect.stringContaining('symlinks'),
    });
  });

  it('an absolute link is followed inside the image', async () => {
    await using rootfs = await makeTempDir();
    await Promise.all(['etc', 'store'].map((name) => mkdir(join(rootfs.path, name))));
    await symlink('/store/passwd', join(rootfs.path, 'etc/passwd'));
    await writeFile(join(rootfs.path, 'store/passwd'), passwd);
    expect(await resolveUser(rootfs.path, 'app')).toMatchObject({ uid: 1000 });
  });

  it('a fifo, a directory and a file over 1 MB are refused, not read', async () => {
    for (const [make, message] of [
      [(path: string) => run(['mkfifo', path], { timeoutMs: 5_000 }), 'no regular file'],
      [(path: string) => mkdir(path), 'no regular file'],
      [(path: string) => writeFile(path, Buffer.alloc(1024 * 1024 + 1)), 'larger than'],
    ] as const) {
      await using rootfs = await makeTempDir();
      await mkdir(join(rootfs.path, 'etc'));
      await make(join(rootfs.path, 'etc/passwd'));
      await expect(resolveUser(rootfs.path, 'app')).rejects.toMatchObject({
        code: 'image_unusable',
        message: expect.stringContaining(message),
      });
    }
  });
});
