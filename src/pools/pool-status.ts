import { isInTheMaking } from '#src/instances/instance.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { planInRollout } from '#src/pools/rollout/plan-in-rollout.ts';
import type { Rollout } from '#src/pools/rollout/rollout.ts';
import { readRollout } from '#src/pools/rollout/store.ts';
import { openBreaker } from './breaker.ts';
import { observePool, readPoolInstances } from './observe-pool.ts';
import type { Pool, PoolStatus } from './pool.ts';
import type { ObservedPool } from './pool-plan.ts';

/** What the pool is like right now; the reason is the planner's own, asked afresh, so that it is never out of date. */
export async function readPoolStatus(redis: Redis, { name, spec }: Pool): Promise<PoolStatus> {
  const found = await readPoolInstances(redis, name);
  const { instances } = found;
  const [observed, rollout] = await Promise.all([observePool(redis, spec, found), readRollout(redis, name)]);
  const plan = await planInRollout(redis, { spec }, rollout, observed, found.now);
  const idle = instances.filter((one) => one.state === 'warm' || isInTheMaking(one.state));
  const golden = 'golden' in observed.target ? observed.target.golden : undefined;
  return {
    warm: instances.filter((one) => one.state === 'warm').length,
    restoring: instances.filter((one) => isInTheMaking(one.state)).length,
    claimed: found.held,
    wanted: plan.wanted,
    updated: idle.filter((one) => one.golden === golden).length,
    outdated: idle.filter((one) => one.golden !== golden).length,
    failed: rollout?.failed ?? 0,
    ...(golden === undefined ? {} : { golden }),
    ...(rollout?.from === undefined ? {} : { rollout: viewRollout(rollout, rollout.from) }),
    ...(plan.reason === undefined ? {} : { reason: plan.reason }),
    ...(golden === undefined ? {} : openBreakers(observed, golden)),
  };
}

function viewRollout({ to, state, startedAt, deadline, endedAt, reason }: Rollout, from: GoldenId): NonNullable<PoolStatus['rollout']> {
  return {
    ...{ from, to, state, startedAt: new Date(startedAt).toISOString(), deadline: new Date(deadline).toISOString() },
    ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }),
    ...(reason === undefined ? {} : { reason }),
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
