import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClaimRequest } from '#src/claims/claim.ts';
import { reserveInstance } from '#src/claims/reserve-instance.ts';
import { loseInstance } from '#src/instances/lose-instance.ts';
import { getInstance, moveInstance } from '#src/instances/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { InstanceId, newClaimId, newInstanceId } from '#src/platform/ids.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { fillPool, parseClaim, putPool, startService, type TestService, waitUntil } from '#test/support/service.ts';

let service: TestService;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.close());

const claim = (body: object = {}) => service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', ...body });
const problem = describeFailure(new ThawError('instance_lost', 'it was lost', { fix: 'Nothing.' }));

describe('an instance that is lost', () => {
  it('while it is bound is replaced by another within the request', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    service.engine.timings.bindMs = 300;
    const answer = claim();
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
      if (reads++ === 0) parseClaim(await claim()); // between the first look and the move
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
    expect((await claim()).status).toBe(201);
    expect((await claim()).status).toBe(429);
  });
});

describe('a node whose agent does not answer', () => {
  const deadline = () => Date.now() + 60_000;

  it('is asked again for one claim, which arrived once', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await service.redis.zadd('{thaw}:nodes-unreachable', deadline(), 'n1');
    expect(await claim()).toMatchObject({ status: 503, body: { code: 'node_unreachable' } });
    expect(await service.redis.hvals('{thaw}:pool-arrivals:web')).toEqual(['1']);
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
