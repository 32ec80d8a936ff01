import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { removeTree } from '#src/platform/remove-tree.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const module = fileURLToPath(new URL('../../src/platform/remove-tree.ts', import.meta.url));

it('what is not there is removed without an error', async () => {
  await using directory = await makeTempDir();
  await removeTree(join(directory.path, 'absent'));
});

it('a tree is removed although it has more levels than this process may open files, and longer paths than the kernel takes', async () => {
  await using directory = await makeTempDir();
  const tree = join(directory.path, 'tree');
  const make = 'mkdir $ARGV[0]; chdir $ARGV[0]; for (1 .. 400) { mkdir "deep" x 10; chdir "deep" x 10 or die }';
  await run(['perl', '-e', make, tree], { timeoutMs: 10_000 });
  const remove = `const { removeTree } = await import(${JSON.stringify(module)}); await removeTree(${JSON.stringify(tree)});`;
  const node = [process.execPath, '--input-type=module', '-e', remove];
  await run(['prlimit', '--nofile=100', ...node], { timeoutMs: 30_000 });
  expect(existsSync(tree)).toBe(false);
});
