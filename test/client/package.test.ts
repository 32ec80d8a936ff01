import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const limit = { timeoutMs: 60_000 };
let project: Awaited<ReturnType<typeof makeTempDir>>;

/** The package as npm would install it beside its dependency. */
beforeAll(async () => {
  project = await makeTempDir();
  await run(['npm', 'pack', '--silent', '--pack-destination', project.path], { ...limit, cwd: checkout });
  await rm(join(checkout, 'dist'), { recursive: true });
  const packages = join(project.path, 'node_modules');
  await mkdir(join(packages, 'thaw'), { recursive: true });
  await run(['sh', '-c', 'tar -xzf ../../thaw-*.tgz --strip-components=1'], { ...limit, cwd: join(packages, 'thaw') });
  for (const name of ['openapi-fetch', 'openapi-typescript-helpers']) {
    await symlink(join(checkout, 'node_modules', name), join(packages, name));
  }
  await writeFile(join(project.path, 'package.json'), '{"type": "module"}');
});
afterAll(async () => project[Symbol.asyncDispose]());

const program = `
import { createThawClient } from 'thaw/client';
import { orThrow, ThawProblem } from 'thaw/client/problem';

const thaw = createThawClient({ url: 'http://127.0.0.1:1', key: 'k', retry: { attempts: 1 } });
try {
  const pool = orThrow(await thaw.GET('/v1/pools/{pool}', { params: { path: { pool: 'search' } } }));
  const warm: number = pool.status.warm;
  console.log(warm);
} catch (error) {
  console.log(error instanceof ThawProblem ? 'refused' : 'unreachable');
}
`;

it('the installed package gives plain JavaScript that runs', async () => {
  await writeFile(join(project.path, 'program.js'), program.replace(': number', ''));
  const { stdout } = await run([process.execPath, 'program.js'], { ...limit, cwd: project.path });
  expect(stdout.trim()).toBe('unreachable');
});

it('and types that tell a wrong call from a right one', async () => {
  const wrong = program.replace("pool: 'search'", 'pool: 7').replace('.status.warm', '.status.wram');
  for (const [name, text] of [
    ['right.ts', program],
    ['wrong.ts', wrong],
  ] as const)
    await writeFile(join(project.path, name), text);
  const compile = (name: string) => {
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'esnext',
      '--types',
      'node',
      '--typeRoots',
      `${checkout}/node_modules/@types`,
    ];
    return run([join(checkout, 'node_modules/.bin/tsc'), ...options, name], { ...limit, cwd: project.path });
  };
  await compile('right.ts');
  await expect(compile('wrong.ts')).rejects.toThrow(/TS2322[\s\S]*TS2339/);
});
