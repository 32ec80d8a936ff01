import { beforeEach, expect, it } from 'vitest';
import { redisTimeMs } from '#src/platform/redis.ts';
import { dropOldArrivals, readArrivals } from '#src/pools/arrivals.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();
let thisMinute: number;
beforeEach(async () => {
  thisMinute = Math.floor((await redisTimeMs(server.redis)) / 60_000);
  await server.redis.zadd('{thaw}:pools', 0, 'web');
});

const record = (counts: Record<number, number>) =>
  server.redis.hset(
    '{thaw}:pool-arrivals:web',
    Object.fromEntries(Object.entries(counts).map(([ago, n]) => [thisMinute - Number(ago), n])),
  );

it('arrivals of the last day are counted, with their busiest minute', async () => {
  await record({ 0: 2, 5: 40, 100: 7, 1440: 500 });
  const arrivals = await readArrivals(server.redis, 'web');
  expect(arrivals).toEqual({ count: 49, minutes: 101, peak: { count: 40, at: (thisMinute - 5) * 60_000 } });
  expect(await readArrivals(server.redis, 'other')).toEqual({ count: 0, minutes: 0, peak: undefined });
});

it('those older than a day are removed, once an hour', async () => {
  await record({ 1: 1, 1439: 2, 1440: 3, 9000: 4 });
  await dropOldArrivals(server.redis);
  expect((await server.redis.hvals('{thaw}:pool-arrivals:web')).toSorted()).toEqual(['1', '2']);
  await record({ 2000: 1 });
  await dropOldArrivals(server.redis);
  expect(await server.redis.hlen('{thaw}:pool-arrivals:web')).toBe(3);
});
