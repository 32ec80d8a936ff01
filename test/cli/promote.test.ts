import { beforeEach, describe, expect, it } from 'vitest';
import { captureGolden, keyOf, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { runCommandLine } from './run-command-line.ts';

const service = useService();
let env: Record<string, string>;

beforeEach(async () => {
  env = { THAW_URL: await service.listen(), THAW_API_KEY: keyOf('admin') };
  await service.request('PUT', '/v1/templates/web', webTemplate);
  await captureGolden(service);
  await captureGolden(service);
});

const run = (...args: string[]) => runCommandLine(env, ...args);
const stable = async () => (await service.request('GET', '/v1/templates/web/aliases/stable')).body;

describe('aliases by the command line', () => {
  it('are moved to a golden, back, and forward again', async () => {
    expect(await run('promote', 'web', '1')).toEqual({ exitCode: 0, out: 'stable of web points to web@1; before: web@2', err: '' });
    expect(await run('rollback', 'web')).toMatchObject({ exitCode: 0, out: 'stable of web points to web@2; before: web@1' });
    expect((await run('rollback', 'web', '--json')).exitCode).toBe(0);
    expect(await stable()).toMatchObject({ golden: 1, history: [{ golden: 1, by: 'admin' }, {}, {}, {}, {}] });
    expect(await run('promote', 'web', '2', '--alias', 'canary')).toMatchObject({ out: 'canary of web points to web@2' });
  });

  it('say why they can not be moved', async () => {
    expect(await run('promote', 'web', '9')).toMatchObject({ exitCode: 1, err: expect.stringContaining('there is no golden web@9') });
    expect(await run('promote', 'web', 'last')).toMatchObject({ exitCode: 2, err: expect.stringContaining('is no number of a golden') });
    expect(await run('rollback', 'web', '--alias', 'none')).toMatchObject({ exitCode: 1, err: expect.stringContaining('alias "none"') });
    await run('promote', 'web', '1', '--alias', 'canary');
    expect((await run('rollback', 'web', '--alias', 'canary')).err).toContain('canary of web has pointed to web@1 only');
  });
});

it('a template is refreshed by the command line', async () => {
  const { exitCode, out, err } = await run('refresh', 'web');
  expect([exitCode, out]).toEqual([0, expect.stringMatching(/^web@3 is queued: op-/)]);
  expect(err).toContain('thaw operations op-');
  await waitUntil(async () => expect(await stable()).toMatchObject({ golden: 3 }));
  expect(await run('refresh', 'nope')).toMatchObject({ exitCode: 1, err: expect.stringContaining('there is no template "nope"') });
});
