import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepNodeName } from '#src/nodes/keep-node-name.ts';
import { startProcess } from '#test/support/processes.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let directory: Awaited<ReturnType<typeof makeTempDir>>;
const file = () => join(directory.path, 'node');

beforeEach(async () => {
  directory = await makeTempDir();
});
afterEach(() => directory[Symbol.asyncDispose]());

describe('the name of a node', () => {
  it('is kept at the first start and may be the same at the next', async () => {
    await keepNodeName(file(), 'alpha');
    await keepNodeName(file(), 'alpha');
    expect(await readFile(file(), 'utf8')).toBe('alpha\n');
  });

  it('that is another later is refused with both names and the file', async () => {
    await keepNodeName(file(), 'alpha');
    const renamed = keepNodeName(file(), 'beta');
    await expect(renamed).rejects.toMatchObject({ code: 'node_unfit', fix: expect.stringContaining('THAW_NODE=alpha') });
    await expect(renamed).rejects.toThrow(new RegExp(`"beta".*${file()}.*"alpha"`));
    expect(await readFile(file(), 'utf8')).toBe('alpha\n');
  });

  it('is looked at by a worker before anything else', async () => {
    await keepNodeName(file(), 'alpha');
    const env = {
      THAW_DATA_DIR: directory.path,
      THAW_ENGINE: 'memory',
      THAW_NODE: 'beta',
      REDIS_URL: 'unix:///nowhere',
      LOG_LEVEL: 'fatal',
    };
    await expect(startProcess('worker', env)).rejects.toThrow(/"beta".*"alpha"/);
  });
});
