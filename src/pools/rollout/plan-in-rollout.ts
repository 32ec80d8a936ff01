import type { Redis } from '#src/platform/redis.ts';
import { observePrevious } from '#src/pools/observe-pool.ts';
import { planPool } from '#src/pools/plan-pool.ts';
import type { Pool } from '#src/pools/pool.ts';
import type { ObservedPool, PoolPlan } from '#src/pools/pool-plan.ts';
import { isSoaking, type Rollout } from './rollout.ts';

/** What to do for a pool, in the middle of a change of golden or not. Changes nothing. */
export async function planInRollout(
  redis: Redis,
  { spec }: Pick<Pool, 'spec'>,
  rollout: Rollout | undefined,
  observed: ObservedPool,
  now: number,
): Promise<PoolPlan> {
  const hasFailures = observed.nodes.some((node) => node.failures !== undefined);
  const soaks = rollout !== undefined && isSoaking(rollout, hasFailures);
  const previous = soaks && rollout.from !== undefined ? await observePrevious(redis, rollout.from, now) : undefined;
  return planPool({ ...observed, isSoaking: soaks, previous }, { ...spec.size, rollout: spec.rollout }, now);
}
