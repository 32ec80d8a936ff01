import { z } from 'zod';
import type { Redis } from '#src/platform/redis.ts';
import { poolKeys } from './store.ts';

/** Restores that a pool's times are kept of. */
const kept = 200;
/** Without a restore to judge by. */
export const usualRestoreMs = 1000;

/** How long one clone took from the start of its job until it was ready. One that a crash keeps from being written is no loss. */
export async function recordRestoreTime(redis: Redis, pool: string, tookMs: number): Promise<void> {
  await redis
    .multi()
    .lpush(poolKeys.restores(pool), Math.round(tookMs))
    .ltrim(poolKeys.restores(pool), 0, kept - 1)
    .exec();
}

/** Of the last restores, the newest first (ms). */
export async function readRestoreTimes(redis: Redis, pool: string): Promise<number[]> {
  return z.array(z.coerce.number()).parse(await redis.lrange(poolKeys.restores(pool), 0, -1));
}

/** How long the last restore of the pool took (ms). */
export async function estimateRestoreMs(redis: Redis, pool: string): Promise<number> {
  return Number((await redis.lindex(poolKeys.restores(pool), 0)) ?? usualRestoreMs);
}
