import { instanceKeys } from '#src/instances/keys.ts';
import { ThawError } from '#src/platform/errors.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import type { PoolStatus } from '#src/pools/pool.ts';
import { readPoolStatus } from '#src/pools/pool-status.ts';
import { estimateRestoreMs } from '#src/pools/restore-times.ts';
import { requirePool } from '#src/pools/store.ts';

const shortestWaitMs = 50;
/** Leases end when they end: no reason to ask often. */
const fullMs = 5000;

/** The refusal of a claim on empty pools: why the first is empty, and when it may not be any more. */
export async function poolEmpty(redis: Redis, [name, ...others]: readonly [string, ...string[]]): Promise<ThawError> {
  const pool = await requirePool(redis, name);
  const status = await readPoolStatus(redis, pool);
  const [restoreMs, longestMs] = await Promise.all([estimateRestoreMs(redis, name), longestOnItsWay(redis, name)]);
  const counts = `${status.warm} warm, ${status.claimed} claimed, ${status.restoring} on their way, size.max ${pool.spec.size.max}`;
  const fitting = status.warm > 0 ? 'no warm instance that fits the request' : 'no warm instance';
  const also = others.length === 0 ? '' : `, nor has ${others.join(', ')}`;
  return new ThawError('pool_empty', `pool ${name} has ${fitting} (${counts})${also}${status.reason ? `: ${status.reason}` : ''}`, {
    fix: wayOut(status, pool.spec.size.max),
    retryAfterMs: isFull(status, pool.spec.size.max) ? fullMs : Math.max(shortestWaitMs, restoreMs - longestMs),
    details: { pool: status },
  });
}

/** Nothing comes before a lease ends. */
function isFull({ claimed, warm, restoring }: PoolStatus, max: number): boolean {
  return claimed >= max && warm === 0 && restoring === 0;
}

function wayOut(status: PoolStatus, max: number): string {
  if (isFull(status, max)) return 'Release a claim, send waitMs to be given the next that is released, or raise size.max of the pool.';
  if (status.warm > 0)
    return 'Ask for a golden that the pool is filled from (status.golden): golden, minGolden and maxAgeMs rule out what is warm.';
  return 'Send waitMs to wait in line, or try again after Retry-After; where this happens often, raise size.ready of the pool.';
}

/** For how long the clone that is longest on its way has been (ms). */
async function longestOnItsWay(redis: Redis, pool: string): Promise<number> {
  const [now, ...oldest] = await Promise.all([
    redisTimeMs(redis),
    ...(['restoring', 'preparing'] as const).map((state) => redis.zrange(instanceKeys.poolState(pool, state), 0, '0', 'WITHSCORES')),
  ]);
  return Math.max(0, ...oldest.flatMap(([, at]) => (at === undefined ? [] : [now - Number(at)])));
}
