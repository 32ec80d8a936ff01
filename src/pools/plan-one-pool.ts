import { randomUUID } from 'node:crypto';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { findLostJobs } from './lost-jobs.ts';
import { observePool, type PoolInstance, readPoolInstances } from './observe-pool.ts';
import { planPool } from './plan-pool.ts';
import { type RunPlanDeps, releaseIdle, runPlan } from './run-plan.ts';
import { getPool, poolKeys } from './store.ts';

/**
 * A planner that dies gives its pool free after this long, and nothing refills it until then. Planning takes milliseconds; should it once
 * take longer, two planners count the same gap, and the next plan destroys the surplus.
 */
const lockMs = 3000;

/**
 * Observes, plans and carries out one pool. One planner at a time per pool, so that two never count the same gap; should a
 * stalled one wake up late, createInstance still keeps the pool below size.max. Answers false when another is at it.
 */
export async function planOnePool(deps: RunPlanDeps, name: string): Promise<boolean> {
  const unlock = await lockPool(deps.redis, name);
  if (unlock === undefined) return false;
  try {
    const found = await readPoolInstances(deps.redis, name);
    const { now, instances } = found;
    await repeatLostJobs(deps, instances, now);
    const pool = await getPool(deps.redis, name);
    if (pool === undefined) {
      await emptyDeletedPool(deps, name, instances);
    } else {
      const plan = planPool(await observePool(deps.redis, pool.spec, found), pool.spec.size, now);
      await runPlan(deps, pool, plan.steps, new Map(instances.map((one) => [one.id, one.node])));
    }
    return true;
  } finally {
    await unlock();
  }
}

async function repeatLostJobs({ jobs }: RunPlanDeps, instances: readonly PoolInstance[], now: number): Promise<void> {
  const lost = findLostJobs(instances, now);
  for (const { node, id } of lost.restore) await jobs.restore(node, id);
  for (const { node, id } of lost.destroy) await jobs.destroy(node, id);
}

async function emptyDeletedPool(deps: RunPlanDeps, name: string, instances: readonly PoolInstance[]): Promise<void> {
  if (instances.length === 0) await deps.redis.srem(poolKeys.deleting, name);
  await Promise.all(instances.filter((one) => one.state !== 'releasing').map((one) => releaseIdle(deps, one.id, one.node)));
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
