import { randomUUID } from 'node:crypto';
import { isInTheMaking } from '#src/instances/instance.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { planInRollout } from '#src/pools/rollout/plan-in-rollout.ts';
import { isUnderWay } from '#src/pools/rollout/rollout.ts';
import { readRollout } from '#src/pools/rollout/store.ts';
import { trackRollout } from '#src/pools/rollout/track-rollout.ts';
import { findLostJobs } from './lost-jobs.ts';
import { observePool, type PoolInstance, readPoolInstances } from './observe-pool.ts';
import { type RunPlanDeps, releaseIdle, runPlan } from './run-plan.ts';
import { getPool, poolKeys } from './store.ts';

/**
 * A planner that dies gives its pool free after this long, and nothing refills it until then. Planning takes milliseconds; should it once
 * take longer, two planners count the same gap, and the next plan destroys the surplus.
 */
const lockMs = 3000;

/** While jobs wait in a long queue they are overdue for as long: asking for them again now and then is enough. */
const repeatEveryMs = 5000;

/** `settled`: nothing is to be done or under way, and time alone changes nothing. `busy`: another planner is at it. */
export type Planned = 'settled' | 'moving' | 'busy';

/**
 * Observes, plans and carries out one pool. One planner at a time per pool, so that two never count the same gap; should a
 * stalled one wake up late, createInstance still keeps the pool below size.max.
 */
export async function planOnePool(deps: RunPlanDeps, name: string): Promise<Planned> {
  const unlock = await lockPool(deps.redis, name);
  if (unlock === undefined) return 'busy';
  try {
    const [pool, found] = await Promise.all([getPool(deps.redis, name), readPoolInstances(deps.redis, name)]);
    const { now, instances } = found;
    await repeatLostJobs(deps, name, instances, now);
    if (pool === undefined) return await emptyDeletedPool(deps, name, instances);
    const observed = await observePool(deps.redis, pool.spec, found);
    const before = await readRollout(deps.redis, name);
    const asItStood = await planInRollout(deps.redis, pool, before, observed, now);
    const rollout = await trackRollout(deps.redis, pool, before, { observed, plan: asItStood, now });
    if (rollout?.state === 'rolled_back' && before?.state !== 'rolled_back') return 'moving'; // what was observed is not the target any more
    const plan = rollout === before ? asItStood : await planInRollout(deps.redis, pool, rollout, observed, now);
    await runPlan(deps, pool, plan.steps, instances);
    const isMoving = instances.some((one) => one.state === 'releasing' || isInTheMaking(one.state));
    const mayChange = plan.reason !== undefined || observed.nodes.some((node) => node.failures !== undefined);
    const isChanging = rollout !== undefined && isUnderWay(rollout);
    return plan.steps.length > 0 || isMoving || mayChange || isChanging ? 'moving' : 'settled';
  } finally {
    await unlock();
  }
}

async function repeatLostJobs({ redis, jobs }: RunPlanDeps, pool: string, instances: readonly PoolInstance[], now: number): Promise<void> {
  const lost = findLostJobs(instances, now);
  if (lost.length === 0 || (await redis.set(`${keyPrefix}pool-repeated:${pool}`, '', 'PX', repeatEveryMs, 'NX')) === null) return;
  await Promise.all(lost.map(({ node, kind, ids }) => jobs.repeat(node, kind, ids)));
}

async function emptyDeletedPool(deps: RunPlanDeps, name: string, instances: readonly PoolInstance[]): Promise<Planned> {
  if (instances.length === 0) await deps.redis.srem(poolKeys.deleting, name);
  await releaseIdle(
    deps,
    instances.filter((one) => one.state !== 'releasing'),
  );
  return 'moving';
}

const unlockScript = loadLuaScript(import.meta.url, './lua/unlock-pool.lua');

async function lockPool(redis: Redis, name: string): Promise<(() => Promise<void>) | undefined> {
  const key = `${keyPrefix}pool-plan:${name}`;
  const token = randomUUID();
  if ((await redis.set(key, token, 'PX', lockMs, 'NX')) === null) return undefined;
  return async () => {
    await unlockScript.run(redis, [key], [token]);
  };
}
