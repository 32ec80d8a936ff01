import { describe, expect, it } from 'vitest';
import { touchClaim } from '#src/claims/store.ts';
import { captureGolden, fillPool, parseClaim, putPool, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { claimCalls } from './claim-calls.ts';

const service = useService();
const { claim, read, release } = claimCalls(service);

describe('ack: true', () => {
  it('answers a bound claim, active once acknowledged; acknowledged again it stays so', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const answer = await claim('acme', { ack: true });
    const made = parseClaim(answer);
    expect(answer.body).toMatchObject({ state: 'bound', ackBy: expect.any(String) });
    expect(await read(made.id)).toEqual(answer.body);
    for (let i = 0; i < 2; i++) {
      expect(await service.request('POST', `/v1/claims/${made.id}/ack`)).toMatchObject({ status: 200, body: { state: 'active' } });
    }
  });

  it('not acknowledged in time is taken back', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = parseClaim(await claim('acme', { ack: true }));
    await service.redis.hset(`{thaw}:claim:${id}`, 'ackBy', 1);
    await service.redis.zadd('{thaw}:leases', 1, id); // as if 30 s had gone by
    await waitUntil(async () =>
      expect(await read(id)).toMatchObject({ state: 'expired', endReason: 'expired', endDetail: 'it was not acknowledged in time' }),
    );
    expect(await service.request('POST', `/v1/claims/${id}/ack`)).toMatchObject({ status: 409, body: { code: 'claim_ended' } });
  });
});

describe('a lease', () => {
  it('of a pool with idleMs ends when nothing is done with it', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    await putPool(service, { size: { ready: 1, max: 2 }, lease: { idleMs: 1000 } });
    const { id } = parseClaim(await claim('acme'));
    await waitUntil(async () => expect(await read(id)).toMatchObject({ state: 'expired', endDetail: 'it was idle for 1000 ms' }));
  });

  it('that is over for want of use is not brought back by use before the sweep comes by', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    await putPool(service, { size: { ready: 1, max: 2 }, lease: { idleMs: 60_000 } });
    const { id } = parseClaim(await claim('acme'));
    await service.redis.hset(`{thaw}:claim:${id}`, 'activeAt', 1);
    await touchClaim(service.redis, id);
    expect(await service.redis.hget(`{thaw}:claim:${id}`, 'activeAt')).toBe('1');
  });

  it('is announced before it ends', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = parseClaim(await claim('acme', { leaseMs: 2000 }));
    await waitUntil(async () => {
      const events = await service.redis.xrange('{thaw}:events', '-', '+');
      const ours = events.map(([, fields]) => fields).filter((fields) => fields.includes(id));
      const types = ours.map((fields) => fields[fields.indexOf('type') + 1]);
      expect(types).toEqual(expect.arrayContaining(['claim.reserved', 'claim.active', 'claim.expiring', 'claim.expired']));
      expect(types.indexOf('claim.expiring')).toBeLessThan(types.indexOf('claim.expired'));
    });
  });
});

describe('a claim by choice', () => {
  const choose = (body: object) => service.request('POST', '/v1/claims', { tenant: 'acme', ...body });

  it('takes the first pool that has an instance', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await service.request('PUT', '/v1/pools/other', { template: 'web', size: { ready: 1, max: 1 } });
    await waitUntil(async () => {
      const { body } = await service.request('GET', '/v1/pools/other');
      expect(body).toMatchObject({ status: { warm: 1 } });
    });
    expect(parseClaim(await choose({ pools: ['web', 'other'] })).pool).toBe('web');
    expect(parseClaim(await choose({ pools: ['web', 'other'] })).pool).toBe('other');
    expect(await choose({ pools: ['web', 'other'] })).toMatchObject({ status: 503, body: { code: 'pool_empty' } });
    expect(await choose({ pools: ['web', 'nope'] })).toMatchObject({ status: 404, body: { detail: 'there is no pool nope' } });
    expect(await choose({ pools: [] })).toMatchObject({ status: 422 });
    expect(await choose({ pools: ['web', 'web'] })).toMatchObject({ status: 422 });
  });

  it('waits in the line of each, and leaves them all once it is served', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    await service.request('PUT', '/v1/pools/other', { template: 'web', size: { ready: 0, max: 1 } });
    const made = parseClaim(await choose({ pools: ['web', 'other'], waitMs: 10_000 }));
    expect(['web', 'other']).toContain(made.pool);
    for (const pool of ['web', 'other']) expect(await service.redis.zcard(`{thaw}:pool-waiting:${pool}`)).toBe(0);
  });

  it('by golden: pinned, at least, or fresh', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    expect(parseClaim(await claim('acme', { golden: 'web@1' })).receipt?.golden).toBe('web@1');
    await waitForPool(service, { warm: 2 });
    expect(parseClaim(await claim('acme', { golden: 1 })).receipt?.golden).toBe('web@1');
    expect(await claim('acme', { golden: 'web@2' })).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('that fits the request') },
    });
    expect((await claim('acme', { minGolden: 2 })).status).toBe(503);
    expect((await claim('acme', { maxAgeMs: 1 })).status).toBe(503);
    await captureGolden(service);
    await waitUntil(async () => expect(parseClaim(await claim('acme', { minGolden: 2, maxAgeMs: 600_000 })).receipt?.golden).toBe('web@2'));
  });
});

describe('a batch', () => {
  it('makes each claim by itself, and the same again under its key', async () => {
    await fillPool(service, { ready: 2, max: 2 });
    const body = { claims: ['a', 'b', 'c'].map((tenant) => ({ pools: ['web'], tenant })) };
    const send = () => service.request('POST', '/v1/claims/batch', body, { headers: { 'idempotency-key': 'night-run' } });
    const first = await send();
    expect(first.status).toBe(200);
    const { items } = first.body as { items: { status: number; claim?: { id: string }; problem?: { code: string } }[] };
    expect(items.map((item) => item.status).toSorted()).toEqual([201, 201, 503]);
    expect(items.find((item) => item.status === 503)?.problem?.code).toBe('pool_empty');
    const again = (await send()).body as { items: { claim?: { id: string }; replayed?: boolean }[] };
    expect(again.items.filter((item) => item.replayed)).toHaveLength(2);
    const idsOf = (all: { claim?: { id: string } }[]) => all.flatMap((item) => item.claim?.id ?? []);
    expect(idsOf(again.items)).toEqual(expect.arrayContaining(idsOf(items)));
  });

  it('waits for all of it at once', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    const claims = Array.from({ length: 40 }, () => ({ pools: ['web'], tenant: 'a', waitMs: 1000, minGolden: 99 }));
    const startedAt = performance.now();
    const { items } = (await service.request('POST', '/v1/claims/batch', { claims })).body as { items: { status: number }[] };
    expect(new Set(items.map((item) => item.status))).toEqual(new Set([503]));
    expect(performance.now() - startedAt).toBeLessThan(2500);
  });

  it('of more than 100 is refused', async () => {
    const claims = Array.from({ length: 101 }, () => ({ pools: ['web'], tenant: 'a' }));
    expect((await service.request('POST', '/v1/claims/batch', { claims })).status).toBe(422);
  });
});

describe('limits', () => {
  const limited = (perTenant: object) => putPool(service, { size: { ready: 3, max: 6 }, perTenant });

  it('of a pool: held, per minute, waiting', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    await limited({ held: 1 });
    const waits = { waitMs: 5000 };
    const { id } = parseClaim(await claim('acme'));
    expect(await claim('acme')).toMatchObject({
      status: 429,
      body: { code: 'quota_exceeded', limit: { name: 'held', value: 1, pool: 'web' } },
    });
    expect((await claim('other', waits)).status).toBe(201);
    await release(id);
    expect((await claim('acme', waits)).status).toBe(201);

    await limited({ claimsPerMinute: 1 });
    expect((await claim('fast', waits)).status).toBe(201);
    const refused = await claim('fast');
    expect(refused).toMatchObject({ status: 429, body: { limit: { name: 'claimsPerMinute' } } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
  });

  it('of a tenant hold across pools, and a refusal does not stick to its key', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    await service.redis.hset('{thaw}:tenant:acme', 'held', 1);
    const { id } = parseClaim(await claim('acme'));
    const again = () => claim('acme', {}, { 'idempotency-key': 'k1' });
    expect((await again()).status).toBe(429);
    await release(id);
    expect((await again()).status).toBe(201);
  });
});

describe('usage', () => {
  it('of a tenant counts its claims and how long it held instances', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = parseClaim(await claim('acme'));
    await waitUntil(async () => expect(Date.now() % 50).toBeGreaterThan(20)); // let some time pass
    await release(id);
    const usage = await service.redis.hgetall('{thaw}:tenant-usage:acme');
    expect(usage.claims).toBe('1');
    expect(Number(usage.instanceMs)).toBeGreaterThan(0);
  });
});
