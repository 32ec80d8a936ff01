import { isInTheMaking } from '#src/instances/instance.ts';
import type { Redis } from '#src/platform/redis.ts';
import { observePool, readPoolInstances } from './observe-pool.ts';
import { planPool } from './plan-pool.ts';
import type { Pool, PoolStatus } from './pool.ts';

/** What the pool is like right now; the reason is the planner's own, asked afresh, so that it is never out of date. */
export async function readPoolStatus(redis: Redis, { name, spec }: Pool): Promise<PoolStatus> {
  const found = await readPoolInstances(redis, name);
  const { instances } = found;
  const observed = await observePool(redis, spec, found);
  const plan = planPool(observed, spec.size, found.now);
  return {
    warm: instances.filter((one) => one.state === 'warm').length,
    restoring: instances.filter((one) => isInTheMaking(one.state)).length,
    claimed: found.held,
    wanted: plan.wanted,
    ...('golden' in observed.target ? { golden: observed.target.golden } : {}),
    ...(plan.reason === undefined ? {} : { reason: plan.reason }),
  };
}
