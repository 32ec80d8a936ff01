import { z } from 'zod';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';

/** hash, outcome → how many. In Redis, because workers restore and the API is what Prometheus asks. */
const countsKey = `${keyPrefix}restore-counts`;

/** Outcomes: `warm`, or the code of the problem. */
export async function countRestore(redis: Redis, outcome: string): Promise<void> {
  await redis.hincrby(countsKey, outcome, 1);
}

export async function readRestoreCounts(redis: Redis): Promise<Record<string, number>> {
  return z.record(z.string(), z.coerce.number()).parse(await redis.hgetall(countsKey));
}
