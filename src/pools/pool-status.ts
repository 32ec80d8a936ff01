import { isInTheMaking } from '#src/instances/instance.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { openBreaker } from './breaker.ts';
import { observePool, readPoolInstances } from './observe-pool.ts';
import { planPool } from './plan-pool.ts';
import type { Pool, PoolStatus } from './pool.ts';
import type { ObservedPool } from './pool-plan.ts';

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
    ...('golden' in observed.target ? openBreakers(observed, observed.target.golden) : {}),
  };
}

function openBreakers({ nodes }: ObservedPool, golden: GoldenId): Pick<PoolStatus, 'breakers'> {
  const breakers = nodes.flatMap((node) => {
    const open = openBreaker(node.failures);
    if (open === undefined) return [];
    const { count: failures, problem } = open.failures;
    return [{ golden, node: node.name, failures, nextTryAt: new Date(open.nextTryAt).toISOString(), problem }];
  });
  return breakers.length === 0 ? {} : { breakers };
}
