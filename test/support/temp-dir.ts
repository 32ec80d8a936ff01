import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '#src/platform/remove-tree.ts';

/** A directory of a test's own, removed with all that is in it: `await using dir = await makeTempDir()`. */
export async function makeTempDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'thaw-test-'));
  return { path, [Symbol.asyncDispose]: () => removeTree(path) };
}
