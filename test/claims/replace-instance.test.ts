import { describe, expect, it } from 'vitest';
import { ClaimRequest } from '#src/claims/claim.ts';
import { reserveInstance } from '#src/claims/reserve-instance.ts';
import { loseInstance } from '#src/instances/lose-instance.ts';
import { getInstance, moveInstance } from '#src/instances/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { InstanceId, newClaimId, newInstanceId } from '#src/platform/ids.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { fillPool, parseClaim, putPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { claimCalls } from './claim-calls.ts';

const service = useService();
const { claim } = claimCalls(service);
const problem = describeFailure(new ThawError('instance_lost', 'it was lost', { fix: 'Nothing.' }));

describe('an instance that is lost', () => {
  it('while it is bound is replaced by another within the request', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    service.engine.timings.bindMs = 300;
    const answer = claim('acme');
    const [id = ''] = await waitUntil(async () => {
      const claimed = await service.redis.zrange('{thaw}:pool-instances:web:claimed', 0, '-1');
      expect(claimed).toHaveLength(1);
      return claimed;
    });
    await moveInstance(service.redis, InstanceId.parse(id), { to: 'failed', problem });
    const held = parseClaim(await answer);
    expect(held.state).toBe('active');
    expect(held.instance.id).not.toBe(id);
    expect((await getInstance(service.redis, InstanceId.parse(held.instance.id)))?.state).toBe('claimed');
    expect(await service.redis.zcard('{thaw}:tenant-held:acme')).toBe(1);
  });

  it('while it is claimed at that moment takes its claim with it', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    const [id] = (await service.engine.list()).map((one) => one.id);
    if (id === undefined) throw new Error('nothing runs');
    await service.redis.srem('{thaw}:node-instances:n1', id); // reconcile shall not be quicker
    const redis = connectRedis(service.config.redisUrl ?? '');
    const read = redis.hgetall.bind(redis);
    let reads = 0;
    redis.hgetall = async (key: string) => {
      const found = await read(key);
      if (reads++ === 0) parseClaim(await claim('acme')); // between the first look and the move
      return found;
    };
    const told: string[] = [];
    const engine = { destroy: async () => {} };
    const onInstanceLost = async (lost: string) => void told.push(lost);
    try {
      await loseInstance({ redis, engine, onInstanceLost }, id, problem, { reason: 'exited' });
    } finally {
      redis.disconnect();
    }
    expect(told).toEqual([id]);
  });
});

describe('a bind that fails', () => {
  it('does not count against the claims per minute', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    await putPool(service, { size: { ready: 3, max: 6 }, perTenant: { claimsPerMinute: 1 } });
    await service.redis.hset('{thaw}:tenant:acme', 'claimsPerMinute', 1);
    service.engine.faults.failNext('bind', 'bind_failed', 1);
    expect((await claim('acme')).status).toBe(201);
    expect((await claim('acme')).status).toBe(429);
  });
});

describe('a bind that fails after the claim was answered with 202', () => {
  const waiting = { waitMs: 60_000 };
  const prefer = { prefer: 'respond-async' };
  const read = async (id: string) => (await service.request('GET', `/v1/claims/${id}`)).body;

  it('costs its instance, and the claim waits for another before the others of its tenant', async () => {
    await fillPool(service, { ready: 0, max: 4 });
    service.engine.faults.failNext('bind', 'bind_failed', 1);
    const { id } = (await claim('acme', waiting, prefer)).body as { id: string };
    await waitUntil(async () => expect(await read(id)).toMatchObject({ state: 'active', instance: { golden: 'web@1' } }));
    expect(await service.redis.zcard('{thaw}:tenant-held:acme')).toBe(1);
    await waitUntil(async () => expect(await service.engine.list()).toHaveLength(1));
    const told = await service.request('GET', `/v1/claims/${id}/timeline`);
    const types = (told.body as { steps: { type: string }[] }).steps.map(({ type }) => type);
    expect(types.filter((type) => type.startsWith('claim.'))).toEqual([
      ...['claim.waiting', 'claim.reserved', 'claim.waiting', 'claim.reserved', 'claim.active'],
    ]);
  });

  it('again and again fails the claim, which says why', async () => {
    await fillPool(service, { ready: 0, max: 4 });
    service.engine.faults.failNext('bind', 'bind_failed', 3);
    const { id } = (await claim('acme', waiting, prefer)).body as { id: string };
    await waitUntil(async () => {
      expect(await read(id)).toMatchObject({ state: 'failed', endDetail: expect.stringContaining('could not be bound') });
    });
    await waitUntil(async () => expect(await service.engine.list()).toEqual([]));
    expect(await service.redis.zcard('{thaw}:tenant-held:acme')).toBe(0);
    expect((await claim('acme', { waitMs: 10_000 })).status).toBe(201);
  });
});

describe('a node whose agent does not answer', () => {
  const deadline = () => Date.now() + 60_000;

  it('is asked again for one claim, which arrived once', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await service.redis.zadd('{thaw}:nodes-unreachable', deadline(), 'n1');
    expect(await claim('acme')).toMatchObject({ status: 503, body: { code: 'node_unreachable' } });
    expect(await service.redis.hvals('{thaw}:pool-arrivals:web')).toEqual(['1']);
  });

  it('loses what was reserved on it, and the claim gets what another node has', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    const [first = '', second = ''] = await service.redis.zrange('{thaw}:pool-instances:web:warm', 0, '-1');
    await service.redis.hset(`{thaw}:instance:${first}`, 'node', 'n2');
    await service.redis.hset('{thaw}:node:n2', {
      ...(await service.redis.hgetall('{thaw}:node:n1')),
      name: 'n2',
      agent: 'http://127.0.0.1:1',
    });
    expect(parseClaim(await claim('acme')).instance).toMatchObject({ id: second });
    expect(await service.redis.hget(`{thaw}:instance:${first}`, 'state')).toBe('releasing');
  });

  it('does not hide what is warm on others, however many of the newest it has', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await service.stopWorker();
    const [here] = (await service.engine.list()).map((one) => one.id);
    const away = service.redis.pipeline();
    for (let i = 0; i < 250; i++) {
      const id = newInstanceId();
      away.hset(`{thaw}:instance:${id}`, { id, golden: 'web@1', node: 'n2', state: 'warm' });
      away.zadd('{thaw}:pool-instances:web:warm', deadline() + i, id);
    }
    await away.exec();
    await service.redis.zadd('{thaw}:nodes-unreachable', deadline(), 'n2');
    const body = ClaimRequest.parse({ tenant: 'acme' });
    const request = { ...{ id: newClaimId(), pools: ['web'], body, keyId: 'key', idempotencyKey: undefined, fingerprint: '-' } };
    const outcome = await reserveInstance(service.redis, { ...request, api: 'none', again: false, trace: undefined });
    expect(outcome).toMatchObject({ reservation: { instance: here } });
    await service.redis.zremrangebyscore('{thaw}:pool-instances:web:warm', Date.now() + 1000, '+inf');
    await service.startWorker();
  });
});
