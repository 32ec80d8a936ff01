import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { getClaim } from '#src/claims/store.ts';
import { reservationOf, waitInLine } from '#src/claims/wait-in-line.ts';
import { systemClock } from '#src/platform/clock.ts';
import { newClaimId } from '#src/platform/ids.ts';
import { fillPool, parseClaim, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { claimCalls } from './claim-calls.ts';

const service = useService();
const { claim, read, lineLength } = claimCalls(service);
const prefer = { prefer: 'respond-async' };
/** No clone fits it: it waits until something else ends it. */
const choosy = { minGolden: 99 };

describe('the line of a pool that is deleted', () => {
  it('is closed: who waits for that pool alone is told so, and holds no quota any more', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    const { id } = (await claim('acme', { ...choosy, waitMs: 60_000 }, prefer)).body as { id: string };
    const waiting = claim('acme', { ...choosy, waitMs: 20_000, leaseMs: 60_000 });
    await waitUntil(async () => expect(await lineLength()).toBe(2));
    expect((await service.request('DELETE', '/v1/pools/web')).status).toBe(204);
    expect(await waiting).toMatchObject({ status: 404, body: { code: 'pool_not_found' } });
    expect(await read(id)).toMatchObject({ state: 'failed', endDetail: 'the pool web was deleted' });
    for (const key of ['pool-waiting:web', 'line:web', 'line:web:acme', 'tenant-waiting:acme', 'leases']) {
      expect(await service.redis.zcard(`{thaw}:${key}`), key).toBe(0);
    }
  });

  it('leaves a claim in the lines of the other pools that it asked for', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    await service.request('PUT', '/v1/pools/other', { template: 'web', size: { ready: 0, max: 1 } });
    const body = { pools: ['web', 'other'], tenant: 'acme', waitMs: 60_000, ...choosy };
    const { id } = (await service.request('POST', '/v1/claims', body, { headers: prefer })).body as { id: string };
    await service.request('DELETE', '/v1/pools/web');
    await waitUntil(async () => expect(await lineLength()).toBe(0));
    expect(await read(id)).toMatchObject({ state: 'waiting', pool: 'other' });
    expect([await lineLength('other'), await service.redis.zcard('{thaw}:tenant-waiting:acme')]).toEqual([1, 1]);
  });
});

describe('a claim that waited in vain', () => {
  it('leaves no record where its caller never learned its id, and one to read where it did', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    expect((await claim('acme', { ...choosy, waitMs: 50 })).status).toBe(503);
    expect(await service.redis.keys('{thaw}:claim:*')).toEqual([]);
    for (const key of ['claims', 'tenant-claims:acme', 'ended-claims', 'leases']) {
      expect(await service.redis.zcard(`{thaw}:${key}`), key).toBe(0);
    }
    const { id } = (await claim('acme', { ...choosy, waitMs: 50 }, prefer)).body as { id: string };
    await waitUntil(async () => {
      expect(await read(id)).toMatchObject({ state: 'failed', endDetail: 'nothing became free for it within 50 ms' });
    });
  });
});

describe('a claim that two requests wait for under one key', () => {
  it('can be read by the one that was told its id when the other gives up', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    const key = { 'idempotency-key': 'k1' };
    const first = claim('acme', { ...choosy, waitMs: 1000 }, key);
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    const second = await claim('acme', { ...choosy, waitMs: 1000 }, { ...key, ...prefer });
    expect(second.status).toBe(202);
    expect((await first).status).toBe(503);
    const { id } = second.body as { id: string };
    expect(await service.request('GET', `/v1/claims/${id}`)).toMatchObject({ status: 200, body: { state: 'failed' } });
  });
});

describe('a claim that was served', () => {
  it('tells of the restore also where it had to look for itself', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    const { id } = parseClaim(await claim('acme', { waitMs: 10_000 }));
    const served = await getClaim(service.redis, id);
    expect(served && (await reservationOf(service.redis, served))?.madeInMs).toBeGreaterThan(0);
  });

  it('no longer listens to what would have made it give up', async () => {
    const { signal } = new AbortController();
    const seat = { called: Promise.resolve({ ended: newClaimId() }), [Symbol.dispose]: () => {} };
    const deps = { redis: service.redis, clock: systemClock };
    expect(await waitInLine(deps, newClaimId(), seat, { untilMs: Date.now() + 60_000, signal })).toBe('ended');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('100 claims in line', () => {
  const hmgets = async () => Number(/cmdstat_hmget:calls=(\d+)/.exec(await service.redis.info('commandstats'))?.[1]);
  const costOf = async (request: () => Promise<unknown>) => {
    const before = await hmgets();
    await request();
    return (await hmgets()) - before;
  };
  const fillLine = async () => {
    const tenants = Array.from({ length: 100 }, (_, i) => `tenant-${i}`);
    await Promise.all(tenants.map((tenant) => claim(tenant, { ...choosy, waitMs: 60_000 }, prefer)));
    await waitUntil(async () => expect(await lineLength()).toBe(100));
  };

  it('are not looked through by a claim that finds nothing warm', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await claim('holder');
    await fillLine();
    await service.stopWorker(); // its sweeps look through the line
    expect(await costOf(() => claim('hasty'))).toBeLessThan(30);
    await service.startWorker();
  });

  it('that no warm clone fits have the warm ones looked through once', async () => {
    await fillPool(service, { ready: 20, max: 20 });
    await fillLine();
    await waitForPool(service, { warm: 20 });
    await service.stopWorker();
    expect(await costOf(() => claim('choosy', choosy))).toBeLessThan(300);
    await service.startWorker();
  });
});
