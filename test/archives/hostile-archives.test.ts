import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { type ArchiveLimits, archiveLayout } from '#src/engine/criu/archives/archive.ts';
import { makeDiff } from '#src/engine/criu/archives/foreign-diff.ts';
import { readArchive } from '#src/engine/criu/archives/read-archive.ts';
import { packTar, type SmallEntry } from '#src/engine/criu/archives/small-tar.ts';
import { unpackLayer } from '#src/engine/criu/archives/unpack-layer.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const { signal } = new AbortController();
const mb = 1024 * 1024;
const limits: ArchiveLimits = { bytes: 100 * mb, entries: 100, expansionRatio: 20 };

type Type = NonNullable<SmallEntry['header']['type']>;
const file = (name: string, content: string | Buffer = 'content'): SmallEntry => ({ header: { name }, content });
const special = (name: string, type: Type, more: Partial<SmallEntry['header']> = {}): SmallEntry => ({ header: { name, type, ...more } });
const link = (name: string, linkname: string): SmallEntry => special(name, 'symlink', { linkname });

/** What podman writes, in small; a later entry takes the place of one of the same name. */
async function archiveOf(...entries: readonly SmallEntry[]): Promise<Buffer> {
  const usual = [
    file('config.dump', '{}'),
    file('spec.dump', '{"annotations":{"io.container.manager":"libpod"}}'),
    file('checkpoint/inventory.img'),
  ];
  const names = entries.map(({ header }) => header.name);
  return await packTar([...usual.filter(({ header }) => !names.includes(header.name)), ...entries]);
}

/** An archive whose rootfs-diff.tar holds these. */
async function layerOf(...entries: readonly SmallEntry[]): Promise<Buffer> {
  return await archiveOf(file('rootfs-diff.tar', await packTar(entries)));
}

async function tmpfsOf(...entries: readonly SmallEntry[]): Promise<Buffer> {
  return await archiveOf(file('checkpoint/tmpfs-dev-1.tar.gz.img', gzipSync(await packTar(entries))));
}

const twice = async () => Buffer.concat([(await archiveOf(file('x'))).subarray(0, -1024), await archiveOf(file('x'))]);
const zeros = Buffer.alloc(90 * mb);

const invalid: [string, () => Promise<Buffer>, string][] = [
  ['a name that goes up', () => archiveOf(file('../evil')), '"../evil" lies outside'],
  ['one that goes up further in', () => archiveOf(file('checkpoint/../../evil')), 'evil" lies outside'],
  ['an absolute name', () => archiveOf(file('/etc/evil')), '"/etc/evil" lies outside'],
  ['a link', () => archiveOf(link('checkpoint', '/etc')), '"checkpoint" is no file'],
  ['a hard link', () => archiveOf(special('checkpoint/a', 'link', { linkname: '/etc/passwd' })), '"checkpoint/a" is no file'],
  ['a device', () => archiveOf(special('checkpoint/a', 'block-device', { devmajor: 8 })), '"checkpoint/a" is no file'],
  ['a FIFO', () => archiveOf(special('config.dump', 'fifo')), '"config.dump" is no file'],
  ['an entry that is there twice', twice, 'is there twice'],
  ['nothing', async () => Buffer.alloc(0), 'is cut off'],
  ['no tar', async () => Buffer.alloc(4096, 'text'), 'is no tar'],
  [
    'a tar that ends within an entry',
    async () => (await archiveOf(file('ctr.log', zeros.subarray(88 * mb)))).subarray(0, mb),
    'is no tar, or damaged',
  ],
  [
    'one that ends between two',
    async () => (await archiveOf()).subarray(0, -1024),
    'is cut off in or after its entry "checkpoint/inventory.img"',
  ],
  ['a packed one that ends too soon', async () => gzipSync(await archiveOf()).subarray(0, -30), 'is no tar, or damaged'],
  ['a header without end', () => packPax({ comment: 'x'.repeat(8 * mb) }), 'Header exceeds max size'],
  ['a sparse file', () => packPax({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '999999999999' }), '"checkpoint/a" is no file'],
  ['no configuration', async () => await packTar([file('checkpoint/inventory.img')]), '"config.dump" is missing'],
  ['a configuration that is no JSON', () => archiveOf(file('config.dump', '{"id":')), '"config.dump" is not what engines write'],
  ['one of another form', () => archiveOf(file('spec.dump', '["linux"]')), '"spec.dump" is not what engines write'],
  ['no checkpoint', async () => await packTar([file('config.dump', '{}'), file('spec.dump', '{}')]), 'inventory.img is missing'],
  ['changes that are no tar', () => archiveOf(file('rootfs-diff.tar', 'x'.repeat(2000))), "archive's rootfs-diff.tar is no tar"],
  ['a change that goes up', () => layerOf(file('a/../../evil')), 'evil" lies outside'],
  ['a change at an absolute name', () => layerOf(file('/etc/evil')), '"rootfs-diff.tar:/etc/evil" lies outside'],
  ['a change through a link', () => layerOf(link('up', '/tmp'), file('up/evil')), '"rootfs-diff.tar:up/evil" lies below up'],
  ['a hard link out of the changes', () => layerOf(special('a', 'link', { linkname: '../../etc/shadow' })), 'links to ../../etc/shadow'],
  ['a device among the changes', () => layerOf(special('sda', 'character-device', { devmajor: 8, devminor: 1 })), 'is a device (8:1)'],
  ['a block device among them', () => layerOf(special('sda', 'block-device', { devmajor: 8 })), 'not allowed there (block-device)'],
  ['the same change twice', () => layerOf(file('a'), file('./a')), '"rootfs-diff.tar:./a" is there twice'],
  [
    'a disk in /dev',
    () => tmpfsOf(special('./sda', 'character-device', { devmajor: 8 })),
    'tmpfs-dev-1.tar.gz.img:./sda" is a device (8:0)',
  ],
  [
    'the console of the host in /dev',
    () => tmpfsOf(special('./console', 'character-device', { devmajor: 5, devminor: 1 })),
    'device (5:1)',
  ],
  [
    'a disk in what takes the place of /dev',
    async () =>
      await archiveOf(
        file('thaw/image/tmpfs-dev-1.tar.gz.img', gzipSync(await packTar([special('./sda', 'character-device', { devmajor: 8 })]))),
      ),
    'is a device (8:0)',
  ],
  ['a header for all that follows', async () => Buffer.concat([globalHeader('size=1024'), await archiveOf()]), 'has a header for all'],
  ['a name with a zero in it', () => packPax({ path: 'checkpoint/a\0b' }), 'lies outside'],
  ['a change of /dev that goes up', () => tmpfsOf(file('../../etc/evil')), 'evil" lies outside'],
];

/** As `git archive` writes it. */
function globalHeader(text: string): Buffer {
  const record = `${text.length + 4} ${text}\n`;
  const header = Buffer.alloc(512);
  header.write('pax_global_header');
  header.write('0000644\x000000000\x000000000\x00', 100);
  header.write(`${record.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write(`${'0'.repeat(11)}\0        gx`.replace('gx', 'g'), 136);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.concat([Buffer.from(record), Buffer.alloc(512)]).subarray(0, 512)]);
}

const tooLarge: [string, () => Promise<Buffer>, string][] = [
  ['too many entries', () => archiveOf(...Array.from({ length: 100 }, (_, index) => file(`ignored-${index}`))), 'number of entries'],
  ['too many entries among the changes', () => layerOf(...Array.from({ length: 100 }, (_, index) => file(`${index}`))), 'rootfs-diff.tar:'],
  [
    'too many bytes',
    () => archiveOf(file('a', zeros.subarray(80 * mb)), file('b', Buffer.concat([zeros, zeros.subarray(80 * mb)]))),
    'the bytes it may unpack to at its entry "b"',
  ],
  ['a JSON file for which no memory is', () => archiveOf(file('config.dump', zeros.subarray(70 * mb))), '"config.dump"'],
  ['a name of half a million directories', () => packPax({ path: 'a/'.repeat(400_000) }), '4095 bytes for a name'],
  ['a gzip bomb', async () => gzipSync(await archiveOf(file('a', zeros))), '20 unpacked bytes to each byte'],
  ['a zstd bomb', async () => zstdCompressSync(await archiveOf(file('a', zeros))), '20 unpacked bytes to each byte'],
];

describe('a hostile archive', () => {
  const cases = [
    ...invalid.map((each) => [...each, 'archive_invalid'] as const),
    ...tooLarge.map((each) => [...each, 'archive_too_large'] as const),
  ];

  it.each(cases)('with %s is refused by name, and nothing of it stays', async (_what, make, said, code) => {
    await using directory = await makeTempDir();
    const into = join(directory.path, 'a/b/c');
    await mkdir(join(into, '..'), { recursive: true });
    const refused = readArchive(Readable.from([await make()]), into, limits, signal);
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(said) });
    expect(await readdir(directory.path, { recursive: true })).toEqual(['a', 'a/b']);
    expect(existsSync('/etc/evil')).toBe(false);
  });

  it('one with only what changed since another checkpoint is refused with the way out', async () => {
    await using directory = await makeTempDir();
    const archive = await archiveOf(link('checkpoint/parent', '../pre-checkpoint'));
    const refused = readArchive(Readable.from([archive]), join(directory.path, 'into'), limits, signal);
    await expect(refused).rejects.toMatchObject({ code: 'archive_unsupported', message: expect.stringContaining('--with-previous') });
  });

  it('a reading that is aborted ends with that reason, and nothing stays', async () => {
    await using directory = await makeTempDir();
    const archive = await archiveOf(file('rootfs-diff.tar', zeros.subarray(70 * mb)));
    const abort = new AbortController();
    const halting = Readable.from(
      (function* () {
        yield archive.subarray(0, 10 * mb);
        abort.abort(new Error('given up'));
        yield archive.subarray(10 * mb);
      })(),
    );
    await expect(readArchive(halting, join(directory.path, 'into'), limits, abort.signal)).rejects.toThrow('given up');
    expect(await readdir(directory.path)).toEqual([]);
  });
});

describe('what is unpacked of an archive', () => {
  it('stays inside also where nobody looked before: tar makes a link that leads out last', async () => {
    await using directory = await makeTempDir();
    const outside = join(directory.path, 'outside');
    await mkdir(outside);
    const entries = [link('absolute', outside), file('absolute/evil'), link('up', '../outside'), file('up/evil'), file('../outside/evil')];
    const tars = [...entries.map((entry) => [entry]), entries.slice(0, 2), entries.slice(2, 4), entries];
    for (const [index, tar] of tars.entries()) {
      const [layer, inside] = [join(directory.path, `${index}.tar`), join(directory.path, `${index}`)];
      await Promise.all([mkdir(inside), writeFile(layer, await packTar(tar))]);
      await unpackLayer(layer, 'layer', inside, [], signal).catch(() => {}); // it says so, too; what counts is where it wrote
    }
    expect(await readdir(outside)).toEqual([]);
  });

  it.each([
    ['names outside', ['/../../etc/passwd'], 'lists /../../etc/passwd'],
    ['what lies behind a link of the app', ['/linked/file'], 'lists linked/file, to which no directory leads'],
    ['a name with a zero in it', ['/there\0'], 'which is no file of the container'],
    ['a directory and what is in it', ['/linked', '/linked/file'], 'lists linked'],
    ['a file that is there', ['/there'], 'lists there, which rootfs-diff.tar has'],
  ])('deleted.files that lists %s makes nothing', async (_what, deleted, said) => {
    await using directory = await makeTempDir();
    const archive = archiveLayout(join(directory.path, 'archive'));
    const [rootfs, outside, diff] = ['rootfs', 'outside', 'diff'].map((name) => join(directory.path, name));
    if (!rootfs || !outside || !diff) throw new Error('three names');
    for (const path of [archive.directory, join(rootfs, 'linked'), outside]) await mkdir(path, { recursive: true });
    for (const path of [join(rootfs, 'linked/file'), join(rootfs, 'there')]) await writeFile(path, '');
    await writeFile(archive.rootfsDiff, await packTar([link('linked', outside), file('there')]));
    await writeFile(archive.deletedFiles, JSON.stringify(deleted));
    await expect(makeDiff({ layout: archive, engine: 'podman' }, rootfs, diff, [], signal)).rejects.toMatchObject({
      code: 'archive_invalid',
      message: expect.stringContaining(said),
    });
    expect(await readdir(outside)).toEqual([]);
  });
});

/** An archive with one entry in whose PAX header these stand. */
async function packPax(pax: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'checkpoint/a', pax }, 'content');
  tar.finalize();
  return await buffer(tar);
}
