import { moveBackAlias } from '#src/goldens/aliases.ts';
import { getGolden } from '#src/goldens/store.ts';
import type { Failure } from '#src/platform/failure.ts';
import { splitGoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Pool } from '#src/pools/pool.ts';
import { isOnItsWay, type ObservedPool, type PoolPlan } from '#src/pools/pool-plan.ts';
import { type Change, findFault } from './find-fault.ts';
import { isWatched, nextStep, type Rollout, type RolloutView } from './rollout.ts';
import { writeRolloutStep } from './store.ts';

/**
 * Writes what has become of the pool's change of golden; answers the rollout afterwards. To be called by whoever has the pool's lock, with
 * the plan that was just made. A golden that proves bad is rolled back: the alias goes back to where it pointed before, once.
 */
export async function trackRollout(
  redis: Redis,
  pool: Pool,
  rollout: Rollout | undefined,
  { observed, plan, now }: { readonly observed: ObservedPool; readonly plan: PoolPlan; readonly now: number },
): Promise<Rollout | undefined> {
  const change = rollout && isWatched(rollout, now) ? changeOf(pool, rollout) : undefined;
  const fault = change && (await findFault(redis, change, observed, pool.spec.rollout));
  if (change && fault && (await rollBack(redis, pool, change, fault))) {
    const reason = `${change.to} was rolled back to ${change.from}: ${fault.message}`;
    return writeRolloutStep(redis, pool, rollout, { kind: 'end', state: 'rolled_back', reason }, { now, why: fault.code });
  }
  if ('missing' in observed.target) return rollout;
  const step = nextStep(rollout, viewOf(observed, observed.target.golden, plan, now), pool.spec.rollout, now);
  if (step === undefined) return rollout;
  const isBack = rollout && step.kind === 'end' && step.state === 'rolled_back';
  const { problem } = (isBack && (await getGolden(redis, rollout.to))) || {}; // by another pool that follows the alias, or by hand
  const told = problem && isBack ? { ...step, reason: problem.message } : step;
  return writeRolloutStep(redis, pool, rollout, told, { now, why: problem?.code ?? '' });
}

/** Undefined where there is nothing to go back to: the first golden, one of another template. */
function changeOf({ spec }: Pool, { from, to }: Rollout): Change | undefined {
  const isOfTemplate = from !== undefined && [from, to].every((golden) => splitGoldenId(golden).template === spec.template);
  return isOfTemplate ? { from, to } : undefined;
}

/** False for a pool that is filled from a number, which only its owner changes, and where the alias is not the planner's to move back. */
async function rollBack(redis: Redis, { name, spec }: Pool, { from, to }: Change, fault: Failure): Promise<boolean> {
  if (typeof spec.golden === 'number') return false;
  const message = `${to} was rolled back to ${from} when pool ${name} changed over: ${fault.message}`;
  return moveBackAlias(redis, { template: spec.template, alias: spec.golden, bad: to, good: from }, { ...fault, message });
}

function viewOf({ instances, nodes }: ObservedPool, golden: RolloutView['golden'], { wanted, reason }: PoolPlan, now: number): RolloutView {
  const idle = instances.filter((one) => one.tier !== 'held');
  const lived = instances.filter((one) => one.golden === golden && !isOnItsWay(one));
  return {
    ...{ golden, wanted, reason },
    outdated: idle.filter((one) => one.golden !== golden).length,
    freshWarm: idle.filter((one) => one.golden === golden && one.tier === 'warm').length,
    longestMs: Math.max(0, ...lived.map((one) => now - one.since)),
    hasFailures: nodes.some((node) => node.failures !== undefined),
  };
}
