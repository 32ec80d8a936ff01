import { beforeEach, describe, expect, it } from 'vitest';
import { keyOf, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { runCommandLine } from './run-command-line.ts';

const service = useService();
let env: Record<string, string>;

beforeEach(async () => {
  env = { THAW_URL: await service.listen(), THAW_API_KEY: keyOf('admin') };
  await service.request('PUT', '/v1/templates/web', webTemplate);
});

const run = (...args: string[]) => runCommandLine(env, 'capture', ...args);

describe('thaw capture', () => {
  it('takes a golden step by step, with notes, and promotes it unless told not to', async () => {
    const first = await run('web', '--notes', 'of Tuesday');
    expect(first).toMatchObject({ exitCode: 0, out: 'web@1 is ready, and `stable` points to it' });
    expect(first.err).toMatch(/^capture-golden web@1: op-\S+\n {2}start {2}\d+ ms\n {2}ready {2}\d+ ms\n/);
    expect((await service.request('GET', '/v1/templates/web/goldens/1')).body).toMatchObject({ notes: 'of Tuesday' });
    expect(await run('web', '--no-promote')).toMatchObject({ exitCode: 0, out: 'web@2 is ready' });
    expect((await service.request('GET', '/v1/templates/web/aliases')).body).toMatchObject({ items: [{ alias: 'stable', golden: 1 }] });
  });

  it('in a dry run tells that nothing would stop a checkpoint, or what', async () => {
    expect(await run('web', '--dry-run')).toMatchObject({
      exitCode: 0,
      out: '1 process, 8 MiB of memory: nothing in it would stop a checkpoint',
    });
    const simulated = { ...webTemplate, env: { THAW_SIMULATE_CHECKPOINT_FINDING: 'an io_uring is open' } };
    await service.request('PUT', '/v1/templates/web', simulated);
    const stopped = await run('web', '--dry-run');
    expect(stopped).toMatchObject({ exitCode: 1, out: expect.stringContaining('stops: app (pid 1): an io_uring is open') });
    expect((await run('web', '--dry-run', '--json')).exitCode).toBe(1);
    expect(await run('web')).toMatchObject({ exitCode: 1, err: expect.stringContaining('an io_uring is open') });
    expect((await service.request('GET', '/v1/templates/web/goldens')).body).toMatchObject({ items: [{ id: 'web@1', state: 'failed' }] });
  });

  it('of a template that is not there says so', async () => {
    expect(await run('none')).toMatchObject({ exitCode: 1, err: expect.stringContaining('there is no template "none"') });
  });
});
