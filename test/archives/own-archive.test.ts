import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, chown, link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { defaultArchiveLimits } from '#src/engine/criu/archives/archive.ts';
import { installOwn } from '#src/engine/criu/archives/install-own.ts';
import { readArchive } from '#src/engine/criu/archives/read-archive.ts';
import { writeGoldenArchive } from '#src/engine/criu/archives/write-archive.ts';
import { verifySeal } from '#src/engine/criu/golden-seal.ts';
import { run } from '#src/platform/subprocess.ts';
import { emptyGolden, imagesOf, makeSmallGolden, smallGoldenId } from '#test/support/small-golden.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const { signal } = new AbortController();
const timeoutMs = 10_000;

/** All that an overlay layer can hold, with names that are not UTF-8. */
async function fillDiff(diff: string): Promise<void> {
  await mkdir(join(diff, 'var/spool'), { recursive: true });
  await chmod(join(diff, 'var'), 0o1777);
  await writeFile(join(diff, 'var/file'), 'written');
  await link(join(diff, 'var/file'), join(diff, 'var/hard'));
  await symlink('/etc/passwd', join(diff, 'var/absolute'));
  await symlink('../../../..', join(diff, 'var/up'));
  await writeFile(Buffer.concat([Buffer.from(`${diff}/var/`), Buffer.from([0xff, 0xfe, 0x0a, 0x20])]), 'odd name');
  await writeFile(join(diff, 'var/setuid'), '', { mode: 0o600 });
  await chown(join(diff, 'var/setuid'), 1000, 1001);
  await chmod(join(diff, 'var/setuid'), 0o4755);
  await run(['mkfifo', join(diff, 'var/fifo')], { timeoutMs });
  await run(['mknod', '-m', '000', join(diff, 'var/deleted'), 'c', '0', '0'], { timeoutMs });
  await leaveSocket(join(diff, 'var/socket'));
  await setAttribute(join(diff, 'var/spool'), 'trusted.overlay.opaque', 'y');
  await setAttribute(join(diff, 'var/file'), 'user.kept', 'yes');
}

describe('an archive of ours', () => {
  it('gives the golden back to the bit: links, owners, whiteouts, opaque directories, sockets and attributes', async () => {
    await using directory = await makeTempDir();
    const golden = await makeSmallGolden(join(directory.path, 'golden'), fillDiff);
    const file = join(directory.path, 'archive.tar');
    const written = await writeGoldenArchive({ images: imagesOf(directory.path) }, golden, createWriteStream(file), signal);
    const contents = await readArchive(createReadStream(file), join(directory.path, 'unpacked'), defaultArchiveLimits, signal);
    expect(contents).toMatchObject({ engine: 'thaw', readBytes: written.sizeBytes });
    const back = await emptyGolden(join(directory.path, 'back'));
    expect(await installOwn(contents.layout, back, signal)).toEqual({ sealed: true });
    expect(await verifySeal(back, smallGoldenId)).toEqual(golden.seal);
    expect(await readAttribute(join(back.diff, 'var/spool'), 'trusted.overlay.opaque')).toBe('y');
    expect(await readAttribute(join(back.diff, 'var/file'), 'user.kept')).toBe('yes');
    expect(await readdir(directory.path)).not.toContain('unpacked');
  });

  it('that names a mount by which CRIU would be given a directory of the host is refused', async () => {
    await using directory = await makeTempDir();
    const golden = await makeSmallGolden(join(directory.path, 'golden'), fillDiff);
    await chmod(golden.layout.record, 0o600);
    await writeFile(golden.layout.record, JSON.stringify({ ...golden.record, externalMounts: ['/run/thaw]:/some/where'] }));
    const file = join(directory.path, 'archive.tar');
    await writeGoldenArchive({ images: imagesOf(directory.path) }, golden, createWriteStream(file), signal);
    const { layout } = await readArchive(createReadStream(file), join(directory.path, 'unpacked'), defaultArchiveLimits, signal);
    const refused = installOwn(layout, await emptyGolden(join(directory.path, 'back')), signal);
    await expect(refused).rejects.toMatchObject({ code: 'archive_invalid', message: expect.stringContaining('golden.json') });
  });

  it('the same golden makes the same archive, whenever it is written', async () => {
    await using directory = await makeTempDir();
    const golden = await makeSmallGolden(join(directory.path, 'golden'), fillDiff);
    const archives = await Promise.all([1, 2].map(() => writeToMemory(golden, directory.path)));
    expect(archives[0]?.equals(archives[1] ?? Buffer.alloc(0))).toBe(true);
  });

  it('tells other engines what was deleted, also below a directory that was made anew', async () => {
    await using directory = await makeTempDir();
    const rootfs = join(directory.path, 'image');
    await mkdir(join(rootfs, 'var/spool/old'), { recursive: true });
    await writeFile(join(rootfs, 'var/spool/gone'), '');
    const golden = await makeSmallGolden(join(directory.path, 'golden'), async (diff) => {
      await fillDiff(diff);
      await mkdir(join(diff, 'var/spool/old'));
    });
    await writeFile(join(rootfs, 'var/spool/old/inner'), '');
    const tar = join(directory.path, 'archive.tar');
    await writeGoldenArchive({ images: imagesOf(rootfs) }, golden, createWriteStream(tar), signal);
    const { stdout } = await run(['tar', '--extract', '--to-stdout', '--file', tar, 'deleted.files'], { timeoutMs });
    expect(JSON.parse(stdout)).toEqual(['/var/deleted', '/var/spool/gone', '/var/spool/old/inner']);
  });

  it('a writing that is aborted, or whose sink fails, ends with that reason', async () => {
    await using directory = await makeTempDir();
    const golden = await makeSmallGolden(join(directory.path, 'golden'), fillDiff);
    const images = imagesOf(directory.path);
    const reason = new Error('given up');
    const abort = new AbortController();
    const slow = new Writable({ write: () => abort.abort(reason) });
    await expect(writeGoldenArchive({ images }, golden, slow, abort.signal)).rejects.toBe(reason);
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk gone')) });
    await expect(writeGoldenArchive({ images }, golden, broken, signal)).rejects.toThrow('disk gone');
  });
});

async function writeToMemory(golden: Parameters<typeof writeGoldenArchive>[1], rootfs: string): Promise<Buffer> {
  const sink = new PassThrough();
  const [chunks] = await Promise.all([sink.toArray(), writeGoldenArchive({ images: imagesOf(rootfs) }, golden, sink, signal)]);
  return Buffer.concat(chunks);
}

/** As one that a server left behind: its file stays when perl ends. */
async function leaveSocket(path: string): Promise<void> {
  await run(['perl', '-MSocket', '-e', 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0])) or die $!', path], {
    timeoutMs,
  });
}

/** lsetxattr(2) and lgetxattr(2) by number: perl is always there, setfattr is not. */
const calls = process.arch === 'arm64' ? { set: 6, get: 9 } : { set: 189, get: 192 };

async function setAttribute(path: string, name: string, value: string): Promise<void> {
  const script = `syscall(${calls.set}, $ARGV[0], $ARGV[1], $ARGV[2], length $ARGV[2], 0) == 0 or die $!`;
  await run(['perl', '-e', script, path, name, value], { timeoutMs });
}

async function readAttribute(path: string, name: string): Promise<string> {
  const script = `my $b = "\\0" x 256; my $n = syscall(${calls.get}, $ARGV[0], $ARGV[1], $b, 256); die $! if $n < 0; print substr($b, 0, $n)`;
  return (await run(['perl', '-e', script, path, name], { timeoutMs })).stdout;
}
