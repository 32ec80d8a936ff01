import { beforeEach, describe, expect, it } from 'vitest';
import { captureGolden, keyOf, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { runCommandLine } from './run-command-line.ts';

const service = useService();
let env: Record<string, string>;

beforeEach(async () => {
  env = { THAW_URL: await service.listen(), THAW_API_KEY: keyOf('admin') };
  await service.request('PUT', '/v1/templates/web', webTemplate);
  await captureGolden(service);
});

const run = (...args: string[]) => runCommandLine(env, ...args);
const place = 'docker://registry.example/goldens/web:1';

describe('goldens by the command line', () => {
  it('are brought to a registry and back', async () => {
    const exported = await run('export', 'web@1', place);
    expect(exported).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(/^web@1 is at docker:\/\/\S+: sha256:[0-9a-f]{64}, \S+ MiB$/),
    });
    expect(exported.err).toMatch(/^export-golden web@1: op-\S+\n {2}pack {2}\d+ ms\n {2}push {2}\d+ ms$/);
    expect(await run('import', 'web', place)).toMatchObject({ exitCode: 0, out: 'web@2 is ready, and `stable` points to it' });
    expect((await run('import', 'web', place, '--no-promote')).out).toBe('web@3 is ready');
    expect(JSON.parse((await run('import', 'web', place, '--json')).out)).toMatchObject({
      state: 'succeeded',
      result: { golden: 'web@4' },
    });
  });

  it('say why they can not be moved', async () => {
    const failed = (message: string) => ({ exitCode: 1, err: expect.stringContaining(message) });
    const misused = (message: string) => ({ exitCode: 2, err: expect.stringContaining(message) });
    expect(await run('export', 'web', place)).toMatchObject(misused('"web" is no golden'));
    expect(await run('export', 'web@9', place)).toMatchObject(failed('there is no golden web@9'));
    expect(await run('export', 'web@1', 'registry.example/web:1')).toMatchObject(failed('is no place for a golden'));
    expect(await run('import', 'web', '/absent.tar')).toMatchObject(failed('there is nothing at archive:/absent.tar'));
    expect(await run('import', 'web', 'archive:/absent.tar')).toMatchObject(failed('there is nothing at archive:/absent.tar'));
  });
});
