import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scanImages } from '#src/engine/criu/memory-scan/scan-images.ts';
import { fakeToken } from '#test/support/fake-secrets.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

test('a file that is named after a secret is found, and its name is not told', async () => {
  await using temporary = await makeTempDir();
  const [image, diff] = [join(temporary.path, 'image'), join(temporary.path, 'diff')];
  const token = fakeToken('ghp_', 36);
  for (const directory of [image, join(diff, 'sessions', token)]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(diff, 'sessions', token, 'state'), 'canary-4d3c2b1a');
  const { findings } = (await scanImages({ image, diff }, ['canary-4d3c2b1a'])).report();
  expect(findings.map(({ kind, where }) => `${kind}: ${where}`)).toEqual([
    'canary 1: a place whose name is no less secret',
    'github-pat: the name of a file',
  ]);
  expect(JSON.stringify(findings)).not.toContain(token);
});
