import { linkSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { measureGoldens } from '#src/engine/criu/golden-disk.ts';
import { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { type GoldenLayout, goldenDirectory } from '#src/engine/criu/instance-layout.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { dataPaths } from '#src/platform/data-paths.ts';
import { type GoldenId, goldenId } from '#src/platform/ids.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const [a, b, c] = [goldenId('api', 1), goldenId('api', 2), goldenId('api', 3)] as const;
const megabyte = 1024 * 1024;
const pages = Buffer.alloc(megabyte, 'page');
const cache = Buffer.alloc(megabyte, 'cache');
const long = new Date('2026-01-02T03:04:05.678Z');
let temporary: Awaited<ReturnType<typeof makeTempDir>>;
let paths: DataPaths;
let store: GoldenStore;

beforeEach(async () => {
  temporary = await makeTempDir();
  paths = dataPaths(join(temporary.path, 'data'));
  store = openStore();
});
afterEach(() => temporary[Symbol.asyncDispose]());

const openStore = () =>
  new GoldenStore({ paths, memory: createMemoryHolds(0), keys: { signing: undefined, trusted: undefined, wrapping: undefined } });
const inodeOf = (golden: GoldenId, path: string) => lstatSync(join(goldenDirectory(paths, golden), path)).ino;

/** A golden of these files; those of the app have one time unless told otherwise. */
async function seal(golden: GoldenId, fill: (layout: GoldenLayout) => Promise<void> | void): Promise<void> {
  const { signal } = new AbortController();
  const layout = await store.begin(golden, `sha256:${'0'.repeat(64)}`, signal);
  await mkdir(join(layout.diff, 'srv'), { recursive: true });
  await fill(layout);
  const record = { golden, workload: { image: 'dir:/x' }, imageDigest: `sha256:${'0'.repeat(64)}`, uid: 0, gid: 0, descriptors: [] };
  const rest = { externalMounts: [], pagesBytes: 0, checkpointedAtMs: 0, cpuMs: 0, timingsMs: {} };
  const fingerprint = { arch: process.arch, kernel: 'k', engine: 'criu' };
  writeFileSync(layout.record, JSON.stringify({ ...record, ...rest, fingerprint }));
  writeFileSync(layout.config, '{}');
  writeFileSync(layout.runcState, '{}');
  await store.finish(golden, layout, record.imageDigest, signal);
}

async function sealUsual(golden: GoldenId): Promise<void> {
  await seal(golden, async ({ image, diff }) => {
    writeFileSync(join(image, 'pages-1.img'), pages);
    writeFileSync(join(image, 'own.img'), `${golden}`.padEnd(megabyte));
    await put(join(diff, 'srv/cache'), cache);
  });
}

async function put(file: string, content: Buffer, mode = 0o644, time = long): Promise<void> {
  writeFileSync(file, content);
  await chmod(file, mode);
  await utimes(file, time, time);
}

/** Opening a golden that has to be proven anew reads all its three megabytes. */
async function isStillProven(golden: GoldenId): Promise<boolean> {
  const readBytes = () => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  const before = readBytes();
  await store.open(golden);
  return readBytes() - before < megabyte;
}

describe('files that goldens of one node have in common', () => {
  it('are stored once, pages and what the app wrote alike, and both goldens stay whole', async () => {
    await sealUsual(a);
    await sealUsual(b);
    for (const path of ['image/pages-1.img', 'diff/srv/cache']) expect(inodeOf(b, path)).toBe(inodeOf(a, path));
    expect(inodeOf(b, 'image/own.img')).not.toBe(inodeOf(a, 'image/own.img'));
    const disk = await measureGoldens(new Map([a, b].map((golden) => [golden, goldenDirectory(paths, golden)])));
    expect(disk.uniqueBytes.get(a)).toBeLessThan(1.1 * megabyte);
    expect(disk.usedBytes).toBeLessThan(4.1 * megabyte);
    await Promise.all([store.verify(a), store.verify(b)]);
    expect(readdirSync(goldenDirectory(paths, b))).not.toContain('replaced');
  });

  it('stay when one of the goldens is removed, and the other needs no new proof', async () => {
    await sealUsual(a);
    await sealUsual(b);
    await sealUsual(c);
    expect([await isStillProven(a), await isStillProven(b)]).toEqual([true, true]);
    await chmod(join(goldenDirectory(paths, c), 'image/own.img'), 0o400);
    expect([await isStillProven(c), await isStillProven(c)]).toEqual([false, true]);
    await store.remove(b);
    expect([await isStillProven(a), await isStillProven(c)]).toEqual([true, true]);
    await store.remove(a);
    await store.verify(c);
  });

  it('are no way to change a golden: what is written to one is found in all', async () => {
    await sealUsual(a);
    await sealUsual(b);
    const pagesOfA = join(goldenDirectory(paths, a), 'image/pages-1.img');
    const { mtime } = lstatSync(pagesOfA);
    writeFileSync(pagesOfA, Buffer.alloc(megabyte, 'evil'));
    await utimes(pagesOfA, mtime, mtime);
    for (const golden of [a, b]) await expect(store.open(golden)).rejects.toMatchObject({ code: 'golden_corrupt' });
  });

  it('are not taken from a golden that was changed: the new one keeps its own', async () => {
    await sealUsual(a);
    writeFileSync(join(goldenDirectory(paths, a), 'image/pages-1.img'), Buffer.alloc(megabyte, 'evil'));
    await sealUsual(b);
    expect(inodeOf(b, 'image/pages-1.img')).not.toBe(inodeOf(a, 'image/pages-1.img'));
    await store.verify(b);
    await expect(store.open(a)).rejects.toMatchObject({ code: 'golden_corrupt' });
  });

  it('are found by a process that has proven nothing yet', async () => {
    await sealUsual(a);
    store = openStore();
    await sealUsual(b);
    expect(inodeOf(b, 'image/pages-1.img')).toBe(inodeOf(a, 'image/pages-1.img'));
    await store.verify(a);
  });

  it('stay one file where the app made two names of it', async () => {
    for (const golden of [a, b]) {
      await seal(golden, async ({ diff }) => {
        await put(join(diff, 'srv/cache'), cache);
        linkSync(join(diff, 'srv/cache'), join(diff, 'srv/too'));
      });
    }
    expect(inodeOf(b, 'diff/srv/too')).toBe(inodeOf(b, 'diff/srv/cache'));
  });

  it('are left apart where an app could tell: of another time, runnable, or two in one golden', async () => {
    const later = new Date('2026-02-02T00:00:00Z');
    await seal(a, async ({ diff }) => {
      await put(join(diff, 'srv/cache'), cache);
      await put(join(diff, 'srv/tool'), pages, 0o755);
    });
    await seal(b, async ({ diff }) => {
      await put(join(diff, 'srv/cache'), cache, 0o644, later);
      await put(join(diff, 'srv/tool'), pages, 0o755);
      await put(join(diff, 'srv/same'), cache);
      await put(join(diff, 'srv/too'), cache);
      await utimes(join(diff, 'srv'), long, long);
    });
    for (const path of ['diff/srv/cache', 'diff/srv/tool']) expect(inodeOf(b, path)).not.toBe(inodeOf(a, path));
    const linked = ['same', 'too'].filter((name) => inodeOf(b, `diff/srv/${name}`) === inodeOf(a, 'diff/srv/cache'));
    expect(linked).toHaveLength(1);
    expect(lstatSync(join(goldenDirectory(paths, b), 'diff/srv')).mtimeMs).toBe(long.getTime());
  });
});
