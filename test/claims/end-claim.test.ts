import { describe, expect, it } from 'vitest';
import { expireClaims, forgetOldClaims, loseOrphanedClaims } from '#src/claims/sweep-claims.ts';
import { InstanceId } from '#src/platform/ids.ts';
import { type ClaimAnswer, fillPool, parseClaim, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

const take = async (body: object = {}): Promise<ClaimAnswer> =>
  parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', ...body }));
const read = async (id: string): Promise<ClaimAnswer> => parseClaim(await service.request('GET', `/v1/claims/${id}`));
const running = async () => (await service.engine.list()).map((one) => one.id);

describe('a released claim', () => {
  it('ends with its instance destroyed, and the pool is filled with another', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take();
    const released = await service.request('DELETE', `/v1/claims/${held.id}`);
    expect(released).toMatchObject({
      status: 200,
      body: { state: 'released', endReason: 'released', endDetail: 'released by its holder' },
    });
    await waitUntil(async () => expect(await running()).not.toContain(held.instance.id));
    await waitForPool(service, { warm: 1, claimed: 0 });
  });

  it('released again answers the same', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    const first = await service.request('DELETE', `/v1/claims/${id}`);
    expect(await service.request('DELETE', `/v1/claims/${id}`)).toMatchObject({ status: 200, text: first.text });
  });

  it('is not handed to anyone again: 30 claims and releases never meet one instance twice', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    const seen = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const held = await waitUntil(() => take());
      expect(seen).not.toContain(held.instance.id);
      seen.add(held.instance.id);
      await service.request('DELETE', `/v1/claims/${held.id}`);
    }
  });

  it('can not be renewed, and its logs can still be read', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    await service.request('DELETE', `/v1/claims/${id}`);
    expect(await service.request('POST', `/v1/claims/${id}/renew`, {})).toMatchObject({ status: 409, body: { code: 'claim_ended' } });
    expect((await service.request('GET', `/v1/claims/${id}/logs`)).status).toBe(200);
  });
});

describe('a lease', () => {
  it('that ends takes the instance back', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take({ leaseMs: 1000 });
    await waitUntil(async () =>
      expect(await read(held.id)).toMatchObject({ state: 'expired', endReason: 'expired', endDetail: 'its lease ended' }),
    );
    await waitUntil(async () => expect(await running()).not.toContain(held.instance.id));
  });

  it('is the pool’s default unless asked otherwise', async () => {
    await fillPool(service, { ready: 1, max: 2 }, { defaultMs: 60_000 });
    const { expiresAt } = await take();
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(50_000);
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
  });

  it('renewed ends so long from then', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take({ leaseMs: 5000 });
    const renewed = parseClaim(await service.request('POST', `/v1/claims/${id}/renew`, { leaseMs: 600_000 }));
    expect(Date.parse(renewed.expiresAt) - Date.now()).toBeGreaterThan(590_000);
    expect(await service.redis.zscore('{thaw}:leases', id)).toBe(String(Date.parse(renewed.expiresAt)));
  });

  it('is not renewed above the pool’s maximum', async () => {
    await fillPool(service, { ready: 1, max: 2 }, { maxMs: 1_000_000 });
    const { id } = await take();
    const answer = await service.request('POST', `/v1/claims/${id}/renew`, { leaseMs: 2_000_000 });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'leaseMs' }] } });
  });

  it('that is over can not be renewed even before the sweep comes by', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    await service.redis.hset(`{thaw}:claim:${id}`, 'expiresAt', 1);
    expect(await service.request('POST', `/v1/claims/${id}/renew`, {})).toMatchObject({ status: 409, body: { code: 'claim_ended' } });
  });
});

describe('a claim whose request died', () => {
  it('before the bind is taken back, its instance destroyed, its idempotency key free', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const headers = { 'idempotency-key': 'k1' };
    const held = parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' }, { headers }));
    await service.redis.hset(`{thaw}:claim:${held.id}`, 'state', 'reserved');
    await service.redis.zadd('{thaw}:leases', 1, held.id); // as if its reservation had run out
    await waitUntil(async () => expect(await read(held.id)).toMatchObject({ state: 'failed' }));
    await waitUntil(async () => expect(await running()).not.toContain(held.instance.id));
    await waitForPool(service, { warm: 1 });
    const again = parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' }, { headers }));
    expect(again.id).not.toBe(held.id);
  });
});

describe('an instance that ends by itself', () => {
  it('ends its claim as lost, with the reason', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take();
    service.engine.kill(InstanceId.parse(held.instance.id), 137, { oomKilled: true });
    await waitUntil(async () => expect(await read(held.id)).toMatchObject({ state: 'lost', endReason: 'oom', exitCode: 137 }));
  });

  it('while no worker watches, ends its claim once one does', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take();
    await service.stopWorker();
    service.engine.kill(InstanceId.parse(held.instance.id), 1);
    expect((await read(held.id)).state).toBe('active');
    await service.startWorker();
    await waitUntil(async () => expect((await read(held.id)).state).toBe('lost'));
  });

  it('and whose end nobody told is found by the sweep', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    const [first, second] = [await take(), await take()];
    await service.redis.hset(`{thaw}:instance:${first.instance.id}`, 'state', 'failed');
    await loseOrphanedClaims({ redis: service.redis, jobs: { destroy: async () => {} } });
    expect(await read(first.id)).toMatchObject({ state: 'lost', endReason: 'node_lost', endDetail: 'its instance is gone' });
    expect((await read(second.id)).state).toBe('active');
  });
});

describe('live claims', () => {
  it('survive a restart of the worker', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take();
    await service.stopWorker();
    await service.startWorker();
    expect((await read(held.id)).state).toBe('active');
    const [endpoint] = held.instance.endpoints;
    expect((await fetch(`http://${endpoint?.host}:${endpoint?.port}`)).ok).toBe(true);
  });

  it('whose lease ended while no worker ran are ended before the next worker hands out anything', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const held = await take({ leaseMs: 1000 });
    await service.stopWorker();
    await waitUntil(async () => expect(Date.now()).toBeGreaterThan(Date.parse(held.expiresAt)));
    await service.startWorker();
    expect((await read(held.id)).state).toBe('expired');
  });

  it('are listed newest first, of one tenant or all, in pages', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    const ids = [(await take({ tenant: 'a' })).id, (await take({ tenant: 'b' })).id, (await take({ tenant: 'a' })).id];
    const list = async (query: string) => (await service.request('GET', `/v1/claims?${query}`)).body;
    expect(await list('tenant=a')).toMatchObject({ items: [{ id: ids[2] }, { id: ids[0] }] });
    const first = await list('limit=2');
    expect(first).toMatchObject({ items: [{ id: ids[2] }, { id: ids[1] }], nextCursor: expect.any(String) });
    const cursor = typeof first === 'object' && first !== null && 'nextCursor' in first ? String(first.nextCursor) : '';
    expect(await list(`limit=2&cursor=${cursor}`)).toEqual({ items: [expect.objectContaining({ id: ids[0] })] });
  });

  it('show the logs of their instance', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    const answer = await service.request('GET', `/v1/claims/${id}/logs?maxBytes=1000`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/plain');
  });
});

describe('claims that ended', () => {
  it('are forgotten after a week, and not before', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    await service.request('DELETE', `/v1/claims/${id}`);
    const minuteMs = 60_000;
    const ageBy = (ms: number) => service.redis.zincrby('{thaw}:ended-claims', -ms, id);
    await ageBy(7 * 24 * 60 * minuteMs - minuteMs);
    await forgetOldClaims(service);
    expect((await read(id)).state).toBe('released');
    await ageBy(minuteMs);
    await forgetOldClaims(service);
    expect(await service.request('GET', `/v1/claims/${id}`)).toMatchObject({ status: 404, body: { code: 'claim_not_found' } });
    expect(await service.request('GET', '/v1/claims')).toMatchObject({ body: { items: [] } });
    expect(await service.redis.zcard('{thaw}:tenant-claims:acme')).toBe(0);
  });

  it('are ended once, however many sweeps run at once', async () => {
    await fillPool(service, { ready: 1, max: 2 });
    const { id } = await take();
    await service.stopWorker();
    await service.redis.zadd('{thaw}:leases', 1, id);
    const destroyed: string[] = [];
    const jobs = { destroy: async (_node: string, instance: string) => void destroyed.push(instance) };
    await Promise.all(Array.from({ length: 5 }, () => expireClaims({ redis: service.redis, jobs })));
    expect(destroyed).toHaveLength(1);
    await service.startWorker();
  });
});
