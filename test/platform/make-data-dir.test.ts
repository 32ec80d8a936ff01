import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

it('a data directory is made with those above it, and found the second time', async () => {
  await using dir = await makeTempDir();
  const path = join(dir.path, 'a', 'b', 'c');
  makeDataDir(path);
  makeDataDir(path);
  expect(statSync(path).mode & 0o777).toBe(0o711);
});

it('a place that takes no directories is refused at once', () => {
  expect(() => makeDataDir('/proc/thaw')).toThrow('the data directory /proc/thaw could not be made');
  expect(() => makeDataDir('/proc/thaw/deeper')).toThrow('could not be made');
  expect(() => makeDataDir('/dev/null/thaw')).toThrow('could not be made');
  expect(() => makeDataDir('/dev/null')).toThrow('could not be made');
});
