import { truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { listReplaced } from '#src/engine/criu/replaced-goldens.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { dataPaths } from '#src/platform/data-paths.ts';
import { goldenId } from '#src/platform/ids.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const golden = goldenId('api', 1);
const imageDigest = `sha256:${'0'.repeat(64)}`;
let temporary: Awaited<ReturnType<typeof makeTempDir>>;
let paths: DataPaths;

beforeEach(async () => {
  temporary = await makeTempDir();
  paths = dataPaths(join(temporary.path, 'data'));
});
afterEach(() => temporary[Symbol.asyncDispose]());

const openStore = () =>
  new GoldenStore({ paths, memory: createMemoryHolds(0), keys: { signing: undefined, trusted: undefined, wrapping: undefined } });

async function seal(store: GoldenStore, pagesBytes: number): Promise<void> {
  const { signal } = new AbortController();
  const layout = await store.begin(golden, imageDigest, signal);
  await mkdir(layout.diff);
  const pages = join(layout.image, 'pages-1.img');
  writeFileSync(pages, '');
  truncateSync(pages, pagesBytes);
  for (let at = 0; at < 16; at++) writeFileSync(join(layout.image, `timens-${at}.img`), `of ${pagesBytes}`); // hashed after the pages
  await store.finish(golden, layout, imageDigest, signal);
}

it('files are not called corrupt because others take their place while they are hashed', async () => {
  await seal(openStore(), 400 * 1024 * 1024);
  const store = openStore(); // which has proven nothing yet
  const hashing = store.verify(golden);
  await Promise.all([seal(store, 4096), hashing]);
  await store.verify(golden);
  expect(listReplaced(paths)).toHaveLength(1);
});

it('files that gave way go once nothing runs on them, and so do those that gave way before', async () => {
  const store = openStore();
  for (const size of [4096, 8192, 12_288]) await seal(store, size);
  expect(listReplaced(paths).map((replaced) => replaced.golden)).toEqual([golden, golden]);
  expect(store.list()).toEqual([golden]);
  await store.dropReplaced();
  expect(listReplaced(paths)).toEqual([]);
  await store.verify(golden);
});
