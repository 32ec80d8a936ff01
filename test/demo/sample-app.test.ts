import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '#src/platform/subprocess.ts';
import { buildSampleImage, sampleCommand } from './build-sample-image.ts';

test("the sample app's image holds all it needs: its Node runs inside, and finds nothing of the host", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'thaw-sample-image-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const rootfs = await buildSampleImage(directory);
  const node = sampleCommand[0] ?? '';
  const script = 'import("/app/search-index.mjs").then(() => console.log(process.version, require("fs").existsSync("/usr/share")))';
  const { stdout } = await run(['chroot', rootfs, '/bin/sh', '-c', `exec ${node} -e '${script}'`], { timeoutMs: 20_000 });
  expect(stdout).toBe(`${process.version} false\n`);
});

test('the same inputs make the same image once', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'thaw-sample-image-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const [first, second] = await Promise.all([buildSampleImage(directory), buildSampleImage(directory)]);
  const { ino } = await stat(first);
  expect(second).toBe(first);
  expect(await buildSampleImage(directory)).toBe(first);
  expect((await stat(first)).ino).toBe(ino);
});

test('the sample app finds what is in its documents, best first, and says what usually follows', async () => {
  const script = `
    const { SearchIndex } = await import(process.argv[1]);
    const index = new SearchIndex();
    for (const text of ['Snow fell on the river.', 'The river froze. The river sang.', 'A lamp in the harbour.']) index.add({ title: text, text });
    index.rankSuggestions();
    for (let id = 0; id < index.documents; id++) index.learnFrom(id);
    console.log(JSON.stringify(index.search('the River')));`;
  const file = join(import.meta.dirname, 'sample-app/search-index.mjs');
  const { stdout } = await run([process.execPath, '--input-type=module', '-e', script, file], { timeoutMs: 20_000 });
  const answer = JSON.parse(stdout);
  expect(answer.results.map(({ id }: { id: number }) => id)).toEqual([1, 0, 2]);
  expect(answer.suggestions).toContain('froze');
});
