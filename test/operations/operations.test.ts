import { describe, expect, it } from 'vitest';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { runOperation } from '#src/operations/run-operation.ts';
import { createOperation, getOperation, listOperations, requireOperation } from '#src/operations/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import { newOperationId, type OperationId } from '#src/platform/ids.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();
const idle = new AbortController().signal;

async function create(): Promise<OperationId> {
  const id = newOperationId();
  await createOperation(server.redis, { id, kind: 'capture-golden', target: 'api@1', params: { promote: true } });
  return id;
}

const read = (id: OperationId) => requireOperation(server.redis, id);

describe('an operation', () => {
  it('is queued, then runs step by step, then has its result', async () => {
    const id = await create();
    expect(await read(id)).toMatchObject({ state: 'queued', steps: [], params: { promote: true } });
    await runOperation(server.redis, id, idle, async (step) => {
      await step('start', async () => 1);
      await step('ready', async () => {
        expect((await read(id)).steps).toMatchObject([
          { name: 'start', state: 'succeeded' },
          { name: 'ready', state: 'running' },
        ]);
      });
      return { number: 1 };
    });
    const done = await read(id);
    expect(done).toMatchObject({ state: 'succeeded', result: { number: 1 } });
    expect(done.steps.map((step) => typeof step.tookMs)).toEqual(['number', 'number']);
  });

  it('that fails keeps the problem and the step it failed in', async () => {
    const id = await create();
    const failure = new ThawError('app_exited', 'the app ended', { fix: 'Look.' });
    await runOperation(server.redis, id, idle, (step) => step('ready', async () => Promise.reject(failure)));
    expect(await read(id)).toMatchObject({
      state: 'failed',
      steps: [{ name: 'ready', state: 'failed' }],
      problem: { code: 'app_exited', class: 'template', message: 'the app ended', fix: 'Look.' },
    });
  });

  it('that meets a bug says so and throws it', async () => {
    const id = await create();
    const work = async () => Promise.reject(new TypeError('x is undefined'));
    await expect(runOperation(server.redis, id, idle, work)).rejects.toThrow(TypeError);
    expect(await read(id)).toMatchObject({ state: 'failed', problem: { code: 'internal' } });
  });

  it('begins afresh when an earlier run broke off, and never again once it has ended', async () => {
    const id = await create();
    const stopping = AbortSignal.abort(new Error('the worker stops'));
    const broken = runOperation(server.redis, id, stopping, (step) => step('start', async (signal) => Promise.reject(signal.reason)));
    await expect(broken).rejects.toThrow('the worker stops');
    expect((await read(id)).state).toBe('running');
    expect(await runOperation(server.redis, id, idle, async (step) => step('again', async () => ({})))).toBe(true);
    expect((await read(id)).steps.map((step) => step.name)).toEqual(['again']);
    expect(await runOperation(server.redis, id, idle, async () => Promise.reject(new Error('not run')))).toBe(false);
  });

  it('is unknown under another id', async () => {
    expect(await getOperation(server.redis, newOperationId())).toBeUndefined();
    await expect(requireOperation(server.redis, newOperationId())).rejects.toMatchObject({ code: 'operation_not_found' });
  });

  it('is listed, newest first', async () => {
    const ids = [await create(), await create(), await create()];
    const first = await listOperations(server.redis, { limit: 2 });
    const second = await listOperations(server.redis, { limit: 2, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map((operation) => operation.id).toSorted()).toEqual(ids.toSorted());
    expect(second.nextCursor).toBeUndefined();
  });
});

describe('cancelling', () => {
  it('ends a queued operation before it begins', async () => {
    const id = await create();
    expect(await cancelOperation(server.redis, id)).toMatchObject({ state: 'cancelled', problem: { code: 'cancelled' } });
    expect(await cancelOperation(server.redis, id)).toMatchObject({ state: 'cancelled' });
    expect(await runOperation(server.redis, id, idle, async () => ({}))).toBe(false);
  });

  it('reaches into a step that is under way', async () => {
    const id = await create();
    const running = runOperation(server.redis, id, idle, (step) =>
      step('ready', async (signal) => {
        await cancelOperation(server.redis, id);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        signal.throwIfAborted();
        return {};
      }),
    );
    expect(await running).toBe(true);
    expect(await read(id)).toMatchObject({ state: 'cancelled', steps: [{ name: 'ready', state: 'failed' }] });
  });

  it('stops between two steps', async () => {
    const id = await create();
    const ran: string[] = [];
    await runOperation(server.redis, id, idle, async (step) => {
      await step('one', () => cancelOperation(server.redis, id));
      await step('two', async () => ran.push('two'));
      return {};
    });
    expect([(await read(id)).state, ran]).toEqual(['cancelled', []]);
  });

  it('of an operation that has succeeded is refused', async () => {
    const id = await create();
    await runOperation(server.redis, id, idle, async () => ({}));
    await expect(cancelOperation(server.redis, id)).rejects.toMatchObject({ code: 'invalid_transition' });
  });
});
