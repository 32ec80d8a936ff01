import { z } from 'zod';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { goldenKeys } from './keys.ts';

/** Restores that a golden's times are kept of, and for how long after the last. */
const kept = 50;
const keepMs = 30 * 24 * 3_600_000;
/** Fewer tell nothing. */
const enough = 5;

/** How long one clone of a pool took from the start of its job until it was ready. One that a crash keeps from being written is no loss. */
export async function recordGoldenRestore(redis: Redis, golden: GoldenId, tookMs: number): Promise<void> {
  const key = goldenKeys.restores(golden);
  await redis
    .multi()
    .lpush(key, Math.round(tookMs))
    .ltrim(key, 0, kept - 1)
    .pexpire(key, keepMs)
    .exec();
}

/** The median of the golden's last restores (ms); undefined while there are too few to judge by. */
export async function medianRestoreMs(redis: Redis, golden: GoldenId): Promise<number | undefined> {
  const times = z.array(z.coerce.number()).parse(await redis.lrange(goldenKeys.restores(golden), 0, -1));
  if (times.length < enough) return undefined;
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
}
