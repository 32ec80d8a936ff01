import { describe, expect, it } from 'vitest';
import { fillPool, parseClaim, poolStatus, waitForPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { claimCalls } from './claim-calls.ts';

const service = useService();
const { claim, read, release, lineLength } = claimCalls(service);

/** A pool of one, held by somebody; claims that wait are served by releasing. */
async function fullPool(max = 1): Promise<string[]> {
  await fillPool(service, { ready: max, max });
  const held = await Promise.all(Array.from({ length: max }, () => claim('holder')));
  return held.map((answer) => parseClaim(answer).id);
}

describe('a claim with waitMs', () => {
  it('gets the clone that becomes warm while it waits, and says so', async () => {
    const [held = ''] = await fullPool();
    const waiting = claim('acme', { waitMs: 10_000 });
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    await release(held);
    const answer = await waiting;
    expect(answer.status).toBe(201);
    expect(parseClaim(answer)).toMatchObject({ state: 'active', receipt: { path: 'restored', reason: expect.stringContaining('waited') } });
    expect(parseClaim(answer).receipt?.timingsMs.restore).toBeGreaterThan(0);
    expect(await lineLength()).toBe(0);
  });

  it('is told its place and an estimate when it gives up', async () => {
    const [held = ''] = await fullPool();
    const first = claim('a', { waitMs: 5000 });
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    const answer = await claim('b', { waitMs: 100 });
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'pool_empty', line: { place: 2, waiting: 2, estimateMs: expect.any(Number) } },
    });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await lineLength()).toBe(1);
    await release(held);
    expect((await first).status).toBe(201);
  });

  it('is served from a pool that keeps nothing ready', async () => {
    await fillPool(service, { ready: 0, max: 2 });
    expect(parseClaim(await claim('acme', { waitMs: 10_000 })).receipt?.path).toBe('restored');
  });

  it('comes before a later one that does not wait', async () => {
    const [held = ''] = await fullPool();
    const waiting = claim('acme', { waitMs: 10_000 });
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    await release(held);
    const hasty: number[] = [];
    let served = false;
    void waiting.then(() => {
      served = true;
    });
    while (!served) hasty.push((await claim('hasty')).status);
    expect(new Set(hasty)).toEqual(new Set([503]));
    expect((await waiting).status).toBe(201);
  });

  it('that is refused leaves its idempotency key free; one in flight is joined', async () => {
    const [held = ''] = await fullPool();
    const key = { 'idempotency-key': 'k1' };
    expect((await claim('acme', { waitMs: 50 }, key)).status).toBe(503);
    const first = claim('acme', { waitMs: 10_000 }, key);
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    const second = claim('acme', { waitMs: 10_000 }, key);
    await release(held);
    const [one, other] = await Promise.all([first, second]);
    expect(parseClaim(other).id).toBe(parseClaim(one).id);
    expect(other.headers.get('idempotency-replayed')).toBe('true');
  });

  it('whose bind fails is tried again, first in line', async () => {
    const [held = ''] = await fullPool();
    const waiting = claim('acme', { waitMs: 10_000 });
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    service.engine.faults.failNext('bind', 'bind_failed', 1);
    await release(held);
    expect((await waiting).status).toBe(201);
  });
});

describe('a client that hangs up', () => {
  it('leaves the line and never holds a clone', async () => {
    const [held = ''] = await fullPool();
    const hangUp = new AbortController();
    const waiting = service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', waitMs: 10_000 }, { signal: hangUp.signal });
    waiting.catch(() => {});
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    hangUp.abort();
    await waitUntil(async () => expect(await lineLength()).toBe(0));
    await release(held);
    await waitForPool(service, { warm: 1, claimed: 0 });
  });
});

describe('Prefer: respond-async', () => {
  const prefer = { prefer: 'respond-async' };

  it('answers 202 with a waiting claim that becomes active', async () => {
    const [held = ''] = await fullPool();
    const answer = await claim('acme', { waitMs: 60_000, secrets: { TOKEN: 's3cret' } }, prefer);
    expect(answer).toMatchObject({ status: 202, body: { state: 'waiting' } });
    const { id } = answer.body as { id: string };
    expect(answer.headers.get('location')).toBe(`/v1/claims/${id}`);
    await release(held);
    await waitUntil(async () => expect(await read(id)).toMatchObject({ state: 'active', receipt: { path: 'restored' } }));
  });

  it('can be taken back', async () => {
    const [held = ''] = await fullPool();
    const { id } = (await claim('acme', { waitMs: 60_000 }, prefer)).body as { id: string };
    expect((await release(id)).body).toMatchObject({ state: 'released' });
    await release(held);
    await waitForPool(service, { warm: 1 });
  });

  it('can not be renewed or acknowledged before it holds something', async () => {
    await fullPool();
    const { id } = (await claim('acme', { waitMs: 60_000 }, prefer)).body as { id: string };
    for (const path of ['renew', 'ack']) {
      expect(await service.request('POST', `/v1/claims/${id}/${path}`, path === 'renew' ? {} : undefined)).toMatchObject({
        status: 409,
        body: { code: 'claim_not_held' },
      });
    }
  });

  it('whose API process ended is not served: its secrets are gone', async () => {
    const [held = ''] = await fullPool();
    const { id } = (await claim('acme', { waitMs: 60_000 }, { ...prefer, 'idempotency-key': 'k1' })).body as { id: string };
    const alive = await service.redis.keys('{thaw}:api:*');
    await service.redis.del(...alive);
    await release(held);
    await waitUntil(async () => expect(await read(id)).toMatchObject({ state: 'failed', endReason: 'failed' }));
    await waitForPool(service, { warm: 1 });
    expect((await claim('acme', { waitMs: 60_000 }, { ...prefer, 'idempotency-key': 'k1' })).status).toBe(201);
  });
});

describe('the line', () => {
  it('lets tenants take turns, and serves each in the order it came', async () => {
    const held = await fullPool(1);
    const order: string[] = [];
    const wait = (tenant: string, name: string) =>
      claim(tenant, { waitMs: 20_000 }).then(async (answer) => {
        order.push(name);
        await release(parseClaim(answer).id);
      });
    const all: Promise<void>[] = [];
    for (const [tenant, name] of [
      ['big', 'big1'],
      ['big', 'big2'],
      ['big', 'big3'],
      ['small', 'small1'],
      ['other', 'other1'],
    ] as const) {
      all.push(wait(tenant, name));
      await waitUntil(async () => expect(await lineLength()).toBe(all.length));
    }
    await release(held[0] ?? '');
    await Promise.all(all);
    expect(order).toEqual(['big1', 'small1', 'other1', 'big2', 'big3']);
  });

  it('passes over a claim that no warm clone fits', async () => {
    const held = await fullPool(1);
    const choosy = claim('choosy', { waitMs: 2000, minGolden: 99 });
    await waitUntil(async () => expect(await lineLength()).toBe(1));
    const plain = claim('plain', { waitMs: 10_000 });
    await waitUntil(async () => expect(await lineLength()).toBe(2));
    await release(held[0] ?? '');
    expect((await plain).status).toBe(201);
    expect((await choosy).status).toBe(503);
  });

  it('a tenant with 1,000 waiting claims delays another by two restores at most', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    let { id } = parseClaim(await claim('holder'));
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 50 }, () => claim('flood', { waitMs: 120_000 }, { prefer: 'respond-async' })));
    }
    expect(await lineLength()).toBe(1000);
    const single = (await claim('single', { waitMs: 120_000 }, { prefer: 'respond-async' })).body as { id: string };
    let restores = 0;
    for (; restores < 5; restores++) {
      await release(id);
      id = await waitUntil(async () => {
        const { body } = await service.request('GET', '/v1/instances?pool=web&state=claimed');
        const [one] = (body as { items: { claim?: string }[] }).items;
        expect(one?.claim).toBeDefined();
        expect(await read(one?.claim ?? '')).toMatchObject({ state: 'active' });
        expect(one?.claim).not.toBe(id);
        return one?.claim ?? '';
      });
      if (id === single.id) break;
    }
    expect(restores).toBeLessThanOrEqual(2);
    expect(await poolStatus(service)).toMatchObject({ claimed: 1 });
  });
});
