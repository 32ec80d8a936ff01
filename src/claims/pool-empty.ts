import { getInstances } from '#src/instances/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { readPoolInstances } from '#src/pools/observe-pool.ts';
import { readPoolStatus } from '#src/pools/pool-status.ts';
import { requirePool } from '#src/pools/store.ts';

/** Without a restore to judge by. */
const usualRestoreMs = 1000;
const shortestWaitMs = 50;

/** The refusal of a claim on an empty pool: why it is empty, and when it may not be any more. */
export async function poolEmpty(redis: Redis, name: string): Promise<ThawError> {
  const [pool, { now, instances }] = await Promise.all([requirePool(redis, name), readPoolInstances(redis, name)]);
  const status = await readPoolStatus(redis, pool);
  const coming = instances.filter((one) => one.state === 'restoring' || one.state === 'preparing');
  const longest = Math.max(0, ...coming.map((one) => now - one.stateAt));
  const restoreMs = await measuredRestoreMs(redis, instances.findLast((one) => one.state === 'claimed')?.id);
  const counts = `${status.claimed} claimed, ${status.restoring} on their way, size.max ${pool.spec.size.max}`;
  return new ThawError('pool_empty', `pool ${name} has no warm instance (${counts})${status.reason ? `: ${status.reason}` : ''}`, {
    fix: 'Try again after Retry-After; where this happens often, raise size.ready of the pool.',
    retryAfterMs: Math.max(shortestWaitMs, restoreMs - longest),
    details: { pool: status },
  });
}

/** From the record of a clone until it was warm: of the one claimed last, which had just been restored if the pool is busy. */
async function measuredRestoreMs(redis: Redis, id: string | undefined): Promise<number> {
  const [instance] = id === undefined ? [] : await getInstances(redis, [id]);
  return instance?.warmAt === undefined ? usualRestoreMs : instance.warmAt - instance.createdAt;
}
