import { describe, expect, it } from 'vitest';
import type { FaultyCall } from '#src/engine/memory/faults.ts';
import { listAliases } from '#src/goldens/aliases.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { getGolden, listCaptures, requireGolden, resolveGolden } from '#src/goldens/store.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import type { ProblemCode } from '#src/platform/errors.ts';
import { goldenId, type OperationId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import type { TemplateSpec } from '#src/templates/template.ts';
import { idle, stoppedClock, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);

async function capture(spec = webSpec(), promote = true): Promise<OperationId> {
  await putTemplate(node.redis, 'api', spec, undefined);
  const operation = await requestCapture(node, 'api', { promote });
  await captureGolden(node, operation.id, idle);
  return operation.id;
}

/** Nothing of a capture is left that runs or is recorded as live. */
async function expectNothingLeft(): Promise<void> {
  expect(await node.engine.list()).toEqual([]);
  expect((await listInstances(node.redis, { limit: 10 })).items).toEqual([]);
  expect(await listCaptures(node.redis)).toEqual([]);
}

describe('a capture', () => {
  it('goes through its steps and ends with a proven, promoted golden', async () => {
    const id = await capture(webSpec({ warmup: [{ http: { port: 8080, path: '/warm' } }] }));
    const operation = await getOperation(node.redis, id);
    expect(operation).toMatchObject({ state: 'succeeded', target: first, result: { golden: first, number: 1, promoted: true } });
    expect(operation?.steps.map((step) => `${step.name} ${step.state}`)).toEqual(
      ['start', 'ready', 'warmup', 'checkpoint', 'verify', 'promote'].map((name) => `${name} succeeded`),
    );
    for (const figure of ['coldStartMs', 'coldStartCpuMs', 'checkpointMs', 'goldenBytes', 'restoreMs']) {
      expect(typeof operation?.result?.[figure]).toBe('number');
    }
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({ id: first, state: 'ready', node: 'n1' });
    expect(await node.engine.listGoldens()).toEqual([first]);
    await expectNothingLeft();
  });

  it('tells the app before its checkpoint, each clone after its restore, and asks two clones whether they are the same', async () => {
    const http = { port: 8080, path: '/hook' };
    const spec = webSpec({ hooks: { beforeCheckpoint: { http }, afterRestore: { http } }, unique: { http: { port: 8080, path: '/id' } } });
    const operation = await getOperation(node.redis, await capture(spec));
    const names = operation?.steps.map(({ name }) => name);
    expect([operation?.state, names]).toEqual(['succeeded', ['start', 'ready', 'before-checkpoint', 'checkpoint', 'verify', 'promote']]);
    await expectNothingLeft();
  });

  it('that shall not promote leaves the aliases alone', async () => {
    await capture(webSpec(), false);
    expect(await listAliases(node.redis, 'api')).toEqual({});
    expect((await resolveGolden(node.redis, 'api', 1)).state).toBe('ready');
  });

  it('keeps the template as it was, whatever the template says later', async () => {
    await capture();
    await putTemplate(node.redis, 'api', webSpec({ image: 'dir:/other' }), undefined);
    expect((await requireGolden(node.redis, first)).spec.image).toBe('dir:/app');
  });

  it('of one template is refused while another is under way, and numbers are never used twice', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const operation = await requestCapture(node, 'api', { promote: true });
    await expect(requestCapture(node, 'api', { promote: true })).rejects.toMatchObject({ code: 'capture_in_progress' });
    await captureGolden(node, operation.id, idle);
    expect(await takeGolden(node, 'api')).toBe('api@2');
  });

  it('asked for twice under one key is one capture; the key with another body is refused', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const one = await requestCapture(node, 'api', { promote: true }, 'key-1');
    const two = await requestCapture(node, 'api', { promote: true }, 'key-1');
    expect(two).toEqual(one);
    expect(node.asked).toEqual([`capture ${one.id}`]);
    await expect(requestCapture(node, 'api', { promote: false }, 'key-1')).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('asked for twice under one key at once, or again after a crash on the way, is one capture', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const ask = (promote: boolean) => requestCapture(node, 'api', { promote }, 'key-1');
    const [one, two] = await Promise.all([ask(true), ask(true)]);
    expect(two).toEqual(one);
    await node.redis.del(`{thaw}:operation:${one.id}`); // as if the process had ended before it was recorded
    expect(await ask(true)).toMatchObject({ id: one.id, target: first, state: 'queued' });
    await expect(ask(false)).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    await captureGolden(node, one.id, idle);
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({ id: first });
  });

  it('of an unknown template, or without a node, is refused', async () => {
    await expect(requestCapture(node, 'nope', { promote: true })).rejects.toMatchObject({ code: 'template_not_found' });
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    await node.redis.del('{thaw}:nodes');
    await expect(requestCapture(node, 'api', { promote: true })).rejects.toMatchObject({ code: 'no_node' });
    expect(await getGolden(node.redis, first)).toBeUndefined();
  });
});

describe('a capture that fails', () => {
  const failures: [why: string, TemplateSpec, [FaultyCall, ProblemCode] | undefined, ProblemCode][] = [
    ['the app exits', webSpec({ env: { APP_EXIT_CODE: '3' } }), undefined, 'app_exited'],
    [
      'the app never gets ready',
      webSpec({ env: { APP_START_MS: '60000' }, ready: { tcp: { port: 8080 }, timeoutMs: 100 } }),
      undefined,
      'app_not_ready',
    ],
    ['a warm-up request fails', webSpec({ warmup: [{ http: { port: 9, path: '/' } }] }), undefined, 'warmup_failed'],
    ['the image is not there', webSpec(), ['start', 'image_not_found'], 'image_not_found'],
    ['the app can not be dumped', webSpec(), ['checkpoint', 'checkpoint_unsupported'], 'checkpoint_unsupported'],
    [
      'its hook before the checkpoint fails',
      webSpec({ hooks: { beforeCheckpoint: { http: { port: 8080, path: '/hook?status=500' } } } }),
      undefined,
      'hook_failed',
    ],
    ['its hook after a restore fails', webSpec({ hooks: { afterRestore: { exec: { command: ['false'] } } } }), undefined, 'hook_failed'],
    [
      'two clones are the same',
      webSpec({ env: { APP_SAME_ID: '1' }, unique: { http: { port: 8080, path: '/id' } } }),
      undefined,
      'not_unique',
    ],
    ['a clone can not tell what is its own', webSpec({ unique: { http: { port: 8080, path: '/hook' } } }), undefined, 'not_unique'],
    ['a clone can not be restored', webSpec(), ['restore', 'restore_failed'], 'restore_failed'],
  ];

  it.each(failures)('because %s says why and leaves nothing behind', async (_why, spec, fault, code) => {
    if (fault) node.engine.faults.failNext(...fault);
    const operation = await getOperation(node.redis, await capture(spec));
    expect(operation).toMatchObject({ state: 'failed', problem: { code } });
    expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'failed', problem: { code } });
    expect(await node.engine.listGoldens()).toEqual([]);
    await expectNothingLeft();
    await expect(resolveGolden(node.redis, 'api', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    expect(await takeGolden(node, 'api')).toBe('api@2');
  });
});

describe('a capture that is cut off', () => {
  it('starts over with the next run, and the remains of the first are gone', async () => {
    await putTemplate(node.redis, 'api', webSpec({ env: { APP_START_MS: '50' } }), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    const stopping = new AbortController();
    const broken = captureGolden(node, id, stopping.signal);
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    stopping.abort(new Error('the worker stops'));
    await expect(broken).rejects.toThrow();
    expect((await requireGolden(node.redis, first)).state).toBe('capturing');
    await captureGolden(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'succeeded' });
    await expectNothingLeft();
  });

  it('starts over although a primer of a dead worker still runs', async () => {
    await putTemplate(node.redis, 'api', webSpec({ env: { APP_START_MS: '50' } }), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    void captureGolden({ ...node, clock: stoppedClock }, id, idle); // never goes on, as after kill -9
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    await captureGolden(node, id, idle);
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
    await expectNothingLeft();
  });

  it('starts over although the golden was sealed and clones of it were recorded', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    const dead = { ...node, goldens: { ...node.goldens, cloneSpec: () => new Promise<never>(() => {}) } };
    void captureGolden(dead, id, idle); // never goes on, as after kill -9
    await expect.poll(async () => (await listInstances(node.redis, { golden: first, limit: 1 })).items).toHaveLength(1);
    await captureGolden(node, id, idle);
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
    await expectNothingLeft();
  });

  it('after its golden was ready only promotes', async () => {
    const id = await capture();
    await node.redis.hset(`{thaw}:operation:${id}`, 'state', 'running');
    await node.redis.del('{thaw}:aliases:api');
    const { digest } = await requireGolden(node.redis, first);
    await captureGolden(node, id, idle);
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({ id: first, digest });
  });

  it('by a cancel leaves nothing behind, before it began or in the middle', async () => {
    await putTemplate(node.redis, 'api', webSpec({ env: { APP_START_MS: '60000' }, ready: { tcp: { port: 8080 } } }), undefined);
    const early = await requestCapture(node, 'api', { promote: true });
    await cancelOperation(node.redis, early.id);
    await captureGolden(node, early.id, idle);
    expect((await requireGolden(node.redis, first)).state).toBe('failed');
    const late = await requestCapture(node, 'api', { promote: true });
    const running = captureGolden(node, late.id, idle);
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    await cancelOperation(node.redis, late.id);
    await running;
    expect(await requireGolden(node.redis, goldenId('api', 2))).toMatchObject({ state: 'failed' });
    await expectNothingLeft();
  });
});
