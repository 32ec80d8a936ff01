import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listAliases, setAlias } from '#src/goldens/aliases.ts';
import { settlePrimer } from '#src/goldens/capture/settle-primer.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { listCaptures, requireGolden } from '#src/goldens/store.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { requireOperation } from '#src/operations/store.ts';
import { systemClock } from '#src/platform/clock.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { workloadOf } from '#src/templates/template.ts';
import { idle, type MemoryNode, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const slowHook = { port: 8080, path: '/hook?sleepMs=60000' };
/** Takes connections and says nothing. */
const silent = createTcpServer().listen(0, '127.0.0.1').unref();
await once(silent, 'listening');

async function expectNothingLeft(): Promise<void> {
  expect(await node.engine.list()).toEqual([]);
  expect(await node.engine.listGoldens()).toEqual([]);
  expect((await listInstances(node.redis, { limit: 10 })).items).toEqual([]);
  expect(await listCaptures(node.redis)).toEqual([]);
}

function portOf(address: string | AddressInfo | null): number {
  return typeof address === 'object' && address ? address.port : 0;
}

/** Whose call of the engine comes to no end by itself. */
function stuckIn(call: 'start' | 'checkpoint' | 'scanGolden' | 'restore'): MemoryNode {
  return withCall(call, async (...args: unknown[]) => {
    const signal = args.find((arg) => arg instanceof AbortSignal);
    if (signal && !signal.aborted) await once(signal, 'abort');
    throw signal?.reason;
  });
}

/** Whose engine does something else at the call. */
function withCall(call: keyof MemoryNode['engine'], answer: (...args: unknown[]) => Promise<unknown>): MemoryNode {
  const engine = new Proxy(node.engine, {
    get: (target, name) => {
      if (name === call) return answer;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...node, engine };
}

describe('a capture is cancelled cleanly in the step', () => {
  const steps: [step: string, spec: Record<string, unknown>, deps: () => MemoryNode][] = [
    ['start', {}, () => stuckIn('start')],
    ['ready', { env: { APP_START_MS: '60000' }, ready: { tcp: { port: 8080 } } }, () => node],
    ['warmup', { warmup: [{ http: { port: portOf(silent.address()), path: '/' } }] }, () => node],
    ['before-checkpoint', { hooks: { beforeCheckpoint: { http: slowHook, timeoutMs: 60_000 } } }, () => node],
    ['settle', { capture: { settleMs: 600_000 } }, () => node],
    ['checkpoint', {}, () => stuckIn('checkpoint')],
    ['scan', { scan: { policy: 'warn', canaries: [] } }, () => stuckIn('scanGolden')],
    ['verify', {}, () => stuckIn('restore')],
  ];

  it.each(steps)('%s', async (step, spec, deps) => {
    await putTemplate(node.redis, 'api', webSpec(spec), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    const running = captureGolden(deps(), id, idle);
    await expect.poll(async () => (await requireOperation(node.redis, id)).steps.at(-1)).toMatchObject({ name: step, state: 'running' });
    await cancelOperation(node.redis, id);
    await running;
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'cancelled', problem: { code: 'cancelled' } });
    expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'failed', problem: { code: 'cancelled' } });
    await expectNothingLeft();
    expect(await takeGolden(node, 'api')).toBe('api@2');
  });
});

describe('between verify and promote', () => {
  /** What a capture does last before it promotes is to look at the disk. */
  const beforePromote = (happens: () => Promise<unknown>) => withCall('goldenDisk', () => happens().then(() => node.engine.goldenDisk()));

  async function expectReadyNotPromoted(): Promise<void> {
    expect((await requireGolden(node.redis, goldenId('api', 2))).state).toBe('ready');
    expect(await listAliases(node.redis, 'api')).toEqual({ stable: 1 });
    expect(await node.engine.list()).toEqual([]);
    expect(await listCaptures(node.redis)).toEqual([]);
  }

  it('a cancel leaves the golden ready and the alias where it was; the operation is cancelled, its verify has succeeded', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestCapture(node, 'api', { promote: true });
    const cancelled = beforePromote(() => cancelOperation(node.redis, id));
    await captureGolden(cancelled, id, idle);
    const { state, problem, steps } = await requireOperation(node.redis, id);
    expect([state, problem?.code, steps.at(-1)]).toEqual([
      'cancelled',
      'cancelled',
      expect.objectContaining({ name: 'verify', state: 'succeeded' }),
    ]);
    await expectReadyNotPromoted();
    await captureGolden(node, id, idle); // its job may run twice
    await expectReadyNotPromoted();
    await setAlias(node.redis, 'api', 'stable', 2);
  });

  it('a crash, and the loss of its job, leaves what reconcile asks for again: then it is promoted', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestCapture(node, 'api', { promote: true });
    void captureGolden(
      beforePromote(() => new Promise(() => {})),
      id,
      idle,
    ); // never goes on, as after kill -9
    await expect.poll(async () => (await requireGolden(node.redis, goldenId('api', 2))).state).toBe('ready');
    await expectReadyNotPromoted();
    node.asked.length = 0;
    await reconcileGoldens({ ...node, node: 'n2' });
    expect(node.asked).toEqual([]);
    await reconcileGoldens(node);
    expect(node.asked).toEqual([`capture ${id}`]);
    await captureGolden(node, id, idle);
    expect(await listAliases(node.redis, 'api')).toEqual({ stable: 2 });
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'succeeded', result: { promoted: true } });
  });
});

describe('a golden', () => {
  it('tells who asked for it, what for, from which image, and how long each step took', async () => {
    const spec = webSpec({ warmup: [{ http: { port: 8080, path: '/warm' } }], capture: { settleMs: 20 } });
    const { template } = await putTemplate(node.redis, 'api', spec, undefined);
    const requestedBy = { key: 'key-1', name: 'release' };
    const { id } = await requestCapture(node, 'api', { promote: true, notes: 'of Tuesday', requestedBy });
    await captureGolden(node, id, idle);
    const golden = await requireGolden(node.redis, first);
    expect(golden).toMatchObject({ notes: 'of Tuesday', requestedBy, templateEtag: template.etag, connections: [] });
    const took = ['start', 'ready', 'warmup', 'settle', 'checkpoint', 'verify'].map((name) => ({ name, tookMs: expect.any(Number) }));
    expect(golden.steps).toEqual(took);
    expect(golden.steps?.find(({ name }) => name === 'settle')?.tookMs).toBeGreaterThanOrEqual(20);
  });

  it('that did not come about tells how far it came', async () => {
    node.engine.faults.failNext('checkpoint', 'checkpoint_failed');
    await takeGolden(node, 'api');
    expect((await requireGolden(node.redis, first)).steps?.map(({ name }) => name)).toEqual(['start', 'ready', 'checkpoint']);
  });
});

describe('readiness before a checkpoint', () => {
  /** Answers 200, and 503 to those requests that `misses` says. */
  async function settle(misses: (request: number) => boolean, settleMs: number, timeoutMs: number): Promise<number> {
    let requests = 0;
    const server = createServer((_request, response) => response.writeHead(misses(++requests) ? 503 : 200).end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server.address());
    const id = newInstanceId();
    try {
      const spec = webSpec();
      await node.engine.start(workloadOf(spec), id);
      const ready = { http: { port, path: '/' }, timeoutMs, intervalMs: 5 };
      await settlePrimer({ ...node, clock: systemClock }, { id, address: '127.0.0.1' }, { ready }, settleMs, idle);
      return requests;
    } finally {
      server.close();
    }
  }

  it('must hold without a miss: one begins the time anew', async () => {
    const startedAt = performance.now();
    expect(await settle((request) => request === 5, 100, 5000)).toBeGreaterThan(5);
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });

  it('that never holds long enough fails as not ready, and names the last miss', async () => {
    await expect(settle((request) => request % 3 === 0, 500, 200)).rejects.toMatchObject({
      code: 'app_not_ready',
      message: expect.stringMatching(/did not stay ready for 500 ms: GET :\d+\/: it answered 503/),
    });
  });
});
