import { z } from 'zod';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { listPoolNames, poolKeys } from './store.ts';

/** How many minutes of arrivals are kept and judged by: a day. */
const keptMinutes = 24 * 60;
const minuteMs = 60_000;
const sweepEverySeconds = 3600;
/** string: there for as long as no sweep is due. */
const lastSweepKey = `${keyPrefix}arrivals-swept`;

/** Claims that a pool was asked for during the last 24 hours, refused ones included. */
export interface Arrivals {
  readonly count: number;
  /** Minutes since the first of them. */
  readonly minutes: number;
  /** Of the busiest minute. */
  readonly peak: { readonly count: number; readonly at: number } | undefined;
}

const ArrivalsHash = z.record(z.coerce.number().int(), z.coerce.number());

export async function readArrivals(redis: Redis, pool: string): Promise<Arrivals> {
  const [hash, now] = await Promise.all([redis.hgetall(poolKeys.arrivals(pool)), redisTimeMs(redis)]);
  const thisMinute = Math.floor(now / minuteMs);
  const minutes = Object.entries(ArrivalsHash.parse(hash))
    .map(([minute, count]) => ({ minute: Number(minute), count }))
    .filter(({ minute }) => minute > thisMinute - keptMinutes);
  const [busiest] = minutes.toSorted((a, b) => b.count - a.count);
  const first = Math.min(thisMinute, ...minutes.map(({ minute }) => minute));
  return {
    count: minutes.reduce((sum, { count }) => sum + count, 0),
    minutes: minutes.length === 0 ? 0 : thisMinute - first + 1,
    peak: busiest && { count: busiest.count, at: busiest.minute * minuteMs },
  };
}

/** Removes what is older than 24 hours, of all pools; does nothing when that was done within the hour, by any worker. */
export async function dropOldArrivals(redis: Redis): Promise<void> {
  if ((await redis.set(lastSweepKey, '', 'EX', sweepEverySeconds, 'NX')) === null) return;
  const oldest = Math.floor((await redisTimeMs(redis)) / minuteMs) - keptMinutes;
  for (const pool of await listPoolNames(redis)) {
    const old = (await redis.hkeys(poolKeys.arrivals(pool))).filter((minute) => Number(minute) <= oldest);
    if (old.length > 0) await redis.hdel(poolKeys.arrivals(pool), ...old);
  }
}
