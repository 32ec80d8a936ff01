import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { getRestoreFailures } from '#src/goldens/failures.ts';
import { type GoldenId, goldenId } from '#src/platform/ids.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import { planOnePool } from '#src/pools/plan-one-pool.ts';
import { captureGolden, fillPool, poolStatus, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

const golden: GoldenId = goldenId('web', 1);
const put = (name: string, size: object) => service.request('PUT', `/v1/pools/${name}`, { template: 'web', size });

interface Asked {
  readonly restored: { id: string; rank: number }[];
  readonly cancelled: string[];
  readonly destroyed: string[];
  readonly repeated: string[];
}

/** Plans a pool with queues that nobody works on. */
async function planIdly(pool = 'web'): Promise<Asked> {
  const asked: Asked = { restored: [], cancelled: [], destroyed: [], repeated: [] };
  const jobs = {
    restore: async (_node: string, id: string, rank: number) => void asked.restored.push({ id, rank }),
    start: async () => {},
    build: async () => {},
    destroy: async (_node: string, id: string) => void asked.destroyed.push(id),
    cancelRestore: async (_node: string, id: string) => void asked.cancelled.push(id),
    repeat: async (_node: string, kind: string, ids: readonly string[]) => void asked.repeated.push(...ids.map((id) => `${kind} ${id}`)),
  };
  await planOnePool({ redis: service.redis, jobs }, pool);
  return asked;
}

describe('a wish that is taken back', () => {
  beforeEach(async () => {
    await fillPool(service, { ready: 0, max: 40 });
    await service.stopWorker();
  });
  afterEach(() => service.startWorker());

  it('takes the restores that wait off the queue, the latest first', async () => {
    await put('web', { ready: 5, max: 40 });
    const { restored } = await planIdly();
    expect(restored).toHaveLength(5);
    await put('web', { ready: 2, max: 40 });
    const { cancelled, destroyed } = await planIdly();
    expect(cancelled).toHaveLength(3);
    expect(destroyed).toEqual(cancelled);
    expect(await poolStatus(service)).toMatchObject({ restoring: 2, wanted: 2 });
  });

  it('with its pool deleted leaves nothing to restore, and no job does it', async () => {
    await put('web', { ready: 5, max: 40 });
    const { restored } = await planIdly();
    await service.request('DELETE', '/v1/pools/web');
    expect((await planIdly()).cancelled.toSorted()).toEqual(restored.map(({ id }) => id).toSorted());
    await service.redis.del('{thaw}:restore-counts');
    await service.startWorker();
    await waitUntil(async () => expect(await service.redis.scard('{thaw}:deleting-pools')).toBe(0));
    expect(await service.redis.hgetall('{thaw}:restore-counts')).toEqual({});
  });
});

describe('refill', () => {
  beforeEach(async () => {
    await fillPool(service, { ready: 0, max: 100 });
    await service.stopWorker();
  });
  afterEach(() => service.startWorker());

  it('serves the emptiest pool first: each restore has the rank of what its pool has before it', async () => {
    await put('web', { ready: 40, max: 100 });
    expect((await planIdly()).restored.map(({ rank }) => rank)).toEqual(Array.from({ length: 32 }, (_, rank) => rank));
    await put('small', { ready: 2, max: 4 });
    expect((await planIdly('small')).restored.map(({ rank }) => rank)).toEqual([0, 1]);
  });

  it('whose jobs were lost is asked for again in one batch, and not again at once', async () => {
    await put('web', { ready: 3, max: 100 });
    const { restored } = await planIdly();
    const key = '{thaw}:pool-instances:web:restoring';
    for (const { id } of restored) await service.redis.zadd(key, 1, id); // a long time ago
    expect((await planIdly()).repeated.toSorted()).toEqual(restored.map(({ id }) => `restore ${id}`).toSorted());
    expect((await planIdly()).repeated).toEqual([]);
  });
});

it('the places of a node go to the lowest rank, and within one to who came first', async () => {
  const places = new Semaphore(1);
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const task = (name: string, rank?: number) => places.run(async () => void order.push(name), rank);
  const blocking = places.run(() => first.promise);
  const waiting = [task('huge 2', 2), task('huge 3', 3), task('small 1', 1), task('other 2', 2), task('first')];
  first.resolve();
  await Promise.all([blocking, ...waiting]);
  expect(order).toEqual(['first', 'small 1', 'huge 2', 'other 2', 'huge 3']);
});

describe('the breaker of a golden on a node', () => {
  const Events = z.array(z.tuple([z.string(), z.array(z.string())]));
  const breakerEvents = async () =>
    Events.parse(await service.redis.xrange('{thaw}:events', '-', '+'))
      .map(([, fields]) => Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]])))
      .filter(({ type }) => type?.startsWith('pool.breaker'));

  it('opens with an event, is shown with the next try, and closes with an event once a clone has proven itself', async () => {
    await fillPool(service, { ready: 0, max: 4 });
    service.engine.faults.failNext('restore', 'restore_failed', 4);
    await put('web', { ready: 1, max: 4 });
    const shown = z.object({ status: z.object({ breakers: z.array(z.looseObject({ nextTryAt: z.iso.datetime() })).length(1) }) });
    const { status } = await waitUntil(async () => shown.parse((await service.request('GET', '/v1/pools/web')).body));
    expect(status.breakers[0]).toMatchObject({
      ...{ golden, node: 'n1', failures: 3 },
      problem: { code: 'restore_failed', class: 'golden', message: expect.stringContaining('simulated fault') },
    });
    expect(await breakerEvents()).toMatchObject([
      { type: 'pool.breaker_opened', pool: 'web', golden, node: 'n1', reason: 'restore_failed' },
    ]);
    await waitForPool(service, { warm: 1 });
    await waitUntil(async () => expect((await getRestoreFailures(service.redis, golden)).size).toBe(0));
    expect((await breakerEvents())[1]).toMatchObject({ type: 'pool.breaker_closed', pool: 'web', golden, node: 'n1' });
    expect(await service.request('GET', '/v1/pools/web')).toMatchObject({
      body: { status: expect.not.objectContaining({ breakers: [] }) },
    });
  });
});

it('a share of the claimed is kept ready', async () => {
  await fillPool(service, { ready: 0, max: 20 });
  expect(await put('web', { ready: '50%', max: 20 })).toMatchObject({ status: 200, body: { size: { ready: '50%' } } });
  await waitForPool(service, { warm: 1, wanted: 1 });
  for (let claims = 1; claims <= 4; claims++) {
    await waitUntil(async () => {
      const claimed = await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' });
      expect(claimed.status).toBe(201);
    });
  }
  await waitForPool(service, { claimed: 4, warm: 2, wanted: 2 });
});

describe('advice', () => {
  const Advice = z.looseObject({ ready: z.number(), memoryBytes: z.number(), confidence: z.string(), notes: z.array(z.string()) });
  const advice = async (query = '') => Advice.parse((await service.request('GET', `/v1/pools/web/advice${query}`)).body);

  it('without a claim says that there is none to judge by', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    const given = await advice();
    expect(given).toMatchObject({ pool: 'web', hitRate: 0.999, ready: 1, confidence: 'none', inputs: { claims: 0, peakPerMinute: 0 } });
    expect(given.notes[0]).toBe('only 0 claims were recorded; 100 or more tell a peak from chance');
  });

  it('follows from recorded claims, refused ones included, and measured restores', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    const minute = Math.floor(Date.now() / 60_000);
    const arrivals = { [minute - 1]: 900, [minute - 90]: 1200, [minute - 1440]: 100_000 };
    await service.redis.hset('{thaw}:pool-arrivals:web', arrivals);
    await service.redis.del('{thaw}:pool-restores:web');
    await service.redis.lpush('{thaw}:pool-restores:web', ...Array.from({ length: 50 }, (_, i) => (i < 46 ? 100 : 900)));
    const given = await advice('?hitRate=0.99');
    expect(given).toMatchObject({
      confidence: 'good',
      inputs: { claims: 2100, recordedMinutes: 91, peakPerMinute: 1200, restores: 50, restoreMs: 100, reactionMs: 50 },
    });
    const { cloneBytes } = z.looseObject({ cloneBytes: z.number() }).parse(given.inputs);
    expect(given.memoryBytes).toBe(given.ready * cloneBytes);
    expect((await advice('?hitRate=0.9')).ready).toBeLessThan(given.ready);
    expect(given.notes).toContain('size.max is 4: it must grow too, by what is claimed at once');
  });

  it('counts the claims and times the restores of the pool itself', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' });
    await waitUntil(async () => expect(await advice()).toMatchObject({ confidence: 'low', inputs: { claims: 1, restores: 3 } }));
  });

  it.each(['0', '1', 'x', '-1', '0.4', '1e9', ''])('for a hit rate of "%s" is refused', async (hitRate) => {
    await fillPool(service, { ready: 0, max: 1 });
    const answer = await service.request('GET', `/v1/pools/web/advice?hitRate=${hitRate}`);
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'query', path: 'hitRate' }] } });
  });

  it('of a pool that does not exist is refused', async () => {
    expect(await service.request('GET', '/v1/pools/none/advice')).toMatchObject({ status: 404, body: { code: 'pool_not_found' } });
  });
});

it('what the claim script reads of a pool stands beside its spec, and is taken back with it', async () => {
  await fillPool(service, { ready: 0, max: 1 });
  await captureGolden(service);
  const limits = ['leaseIdleMs', 'perTenantHeld', 'perTenantPerMinute', 'perTenantWaiting'];
  const more = { lease: { idleMs: 60_000 }, perTenant: { held: 3, claimsPerMinute: 0, waiting: 5 } };
  const saved = await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 0, max: 1 }, ...more });
  expect(saved).toMatchObject({ status: 200, body: { perTenant: more.perTenant, lease: { idleMs: 60_000 } } });
  expect(await service.redis.hmget('{thaw}:pool:web', ...limits)).toEqual(['60000', '3', '0', '5']);
  await put('web', { ready: 0, max: 1 });
  expect(await service.redis.hmget('{thaw}:pool:web', ...limits)).toEqual(['', '', '', '']);
});
