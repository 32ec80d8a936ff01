import { describe, expect, it } from 'vitest';
import { poolChangedChannel } from '#src/instances/keys.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { createInstance, getInstance, type InstanceDraft, listNodeInstances, moveInstance, poolCounts } from '#src/instances/store.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();

function draft(changes: Partial<InstanceDraft> = {}): InstanceDraft {
  const golden = goldenId('api', 1);
  return { id: newInstanceId(), pool: 'web', template: 'api', golden, node: 'n1', role: 'clone', state: 'restoring', ...changes };
}

async function warmInstance(changes: Partial<InstanceDraft> = {}) {
  const one = draft(changes);
  await createInstance(server.redis, one);
  await moveInstance(server.redis, one.id, { to: 'preparing', address: '10.0.0.2' });
  await moveInstance(server.redis, one.id, { to: 'warm', timingsMs: { total: 80 } });
  return one.id;
}

describe('a record', () => {
  it('is read as it was written', async () => {
    const id = await warmInstance();
    const instance = await getInstance(server.redis, id);
    expect(instance).toMatchObject({
      id,
      pool: 'web',
      golden: 'api@1',
      state: 'warm',
      address: '10.0.0.2',
      timingsMs: { total: 80 },
      ports: [],
    });
    expect(instance?.warmAt).toBe(instance?.stateAt);
  });

  it('of a live instance is not replaced', async () => {
    const one = draft();
    expect(await createInstance(server.redis, one)).toBe('created');
    expect(await createInstance(server.redis, { ...one, node: 'n2' })).toBe('exists');
    expect((await getInstance(server.redis, one.id))?.node).toBe('n1');
  });

  it('of an instance that ended is replaced', async () => {
    const one = draft();
    await createInstance(server.redis, one);
    await moveInstance(server.redis, one.id, { to: 'failed' });
    expect(await createInstance(server.redis, one)).toBe('created');
    expect(await server.redis.pttl(`{thaw}:instance:${one.id}`)).toBe(-1);
  });

  it('of no pool is in no pool', async () => {
    await createInstance(server.redis, draft({ pool: '', role: 'primer', state: 'starting' }));
    expect((await server.redis.keys('{thaw}:pool-instances:*')).length).toBe(0);
    expect((await listInstances(server.redis, { limit: 10 })).items).toHaveLength(1);
  });
});

describe('a pool', () => {
  it('never has more live instances than allowed, however many planners plan', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => createInstance(server.redis, draft(), 5)));
    expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'full')).toHaveLength(15);
  });

  it('counts its instances by state', async () => {
    await warmInstance();
    await warmInstance();
    await createInstance(server.redis, draft());
    await warmInstance({ pool: 'other' });
    expect(await poolCounts(server.redis, 'web')).toMatchObject({ warm: 2, restoring: 1, preparing: 0, claimed: 0 });
  });

  it('is told of with every move', async () => {
    const subscriber = connectRedis(server.url);
    const heard: string[] = [];
    subscriber.on('message', (_channel, pool) => heard.push(pool));
    await subscriber.subscribe(poolChangedChannel);
    const id = await warmInstance();
    await moveInstance(server.redis, id, { to: 'failed' });
    await expect.poll(() => heard).toEqual(['web', 'web', 'web', 'web']);
    subscriber.disconnect();
  });
});

describe('a move', () => {
  it('that the table forbids changes nothing and tells the state', async () => {
    const one = draft();
    await createInstance(server.redis, one);
    expect(await moveInstance(server.redis, one.id, { to: 'warm' })).toEqual({ moved: false, before: 'restoring' });
    expect((await getInstance(server.redis, one.id))?.state).toBe('restoring');
  });

  it('of what does not exist tells so', async () => {
    expect(await moveInstance(server.redis, newInstanceId(), { to: 'failed' })).toEqual({ moved: false });
  });

  it('can be narrowed by the caller', async () => {
    const id = await warmInstance();
    expect(await moveInstance(server.redis, id, { to: 'releasing', from: ['restoring'] })).toEqual({ moved: false, before: 'warm' });
  });

  it('that two make at once happens once', async () => {
    const id = await warmInstance();
    const moves = await Promise.all([1, 2, 3].map(() => moveInstance(server.redis, id, { to: 'releasing' })));
    expect(moves.filter((move) => move.moved)).toHaveLength(1);
  });

  it('to an end leaves every index, and the record can be read for an hour', async () => {
    const id = await warmInstance();
    await moveInstance(server.redis, id, { to: 'failed', problem: { code: 'clone_exited', class: 'golden', message: 'gone' } });
    expect((await listInstances(server.redis, { limit: 10 })).items).toEqual([]);
    expect(await listNodeInstances(server.redis, 'n1')).toEqual([]);
    expect(await server.redis.keys('{thaw}:*')).toEqual(expect.arrayContaining([`{thaw}:instance:${id}`, '{thaw}:events']));
    expect(await server.redis.dbsize()).toBe(2);
    expect((await getInstance(server.redis, id))?.problem?.message).toBe('gone');
    expect(await server.redis.pttl(`{thaw}:instance:${id}`)).toBeGreaterThan(3_590_000);
  });
});

describe('a list', () => {
  it('is complete over its pages, newest first', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push(await warmInstance());
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listInstances(server.redis, { limit: 3, cursor });
      seen.push(...page.items.map((instance) => instance.id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual(ids.toSorted());
    const times = await Promise.all(seen.map((id) => server.redis.hget(`{thaw}:instance:${id}`, 'createdAt')));
    expect(times).toEqual(times.toSorted().toReversed());
  });

  it('has the same pages when it is filtered', async () => {
    for (let i = 0; i < 5; i++) await warmInstance();
    await warmInstance({ pool: 'other', node: 'n2' });
    const first = await listInstances(server.redis, { pool: 'web', state: 'warm', limit: 3 });
    const second = await listInstances(server.redis, { pool: 'web', state: 'warm', limit: 3, cursor: first.nextCursor });
    expect([first.items.length, second.items.length, second.nextCursor]).toEqual([3, 2, undefined]);
    expect(new Set([...first.items, ...second.items].map((instance) => instance.id)).size).toBe(5);
    expect((await listInstances(server.redis, { node: 'n2', limit: 5 })).items).toHaveLength(1);
    expect((await listInstances(server.redis, { state: 'claimed', limit: 5 })).items).toEqual([]);
    expect((await listInstances(server.redis, { golden: 'api@1', limit: 10 })).items).toHaveLength(6);
  });
});
