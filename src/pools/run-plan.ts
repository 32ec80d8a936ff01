import { clearGoldenFailures } from '#src/goldens/failures.ts';
import { createInstance, moveInstance } from '#src/instances/store.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Pool } from './pool.ts';
import type { Step } from './pool-plan.ts';

/** Asks a node to make or end an instance. Repeating it while the job is queued or under way changes nothing. */
export interface InstanceJobs {
  restore(node: string, id: InstanceId): Promise<void>;
  destroy(node: string, id: InstanceId): Promise<void>;
}

export interface RunPlanDeps {
  readonly redis: Redis;
  readonly jobs: InstanceJobs;
}

/** Carries out the steps of a plan: the record first, then the job. A crash between the two is made good by findLostJobs. */
export async function runPlan(deps: RunPlanDeps, pool: Pool, steps: readonly Step[], nodeOf: ReadonlyMap<string, string>): Promise<void> {
  for (const step of steps) {
    switch (step.kind) {
      case 'restore':
        await Promise.all(Array.from({ length: step.count }, () => startClone(deps, pool, step)));
        break;
      case 'destroy':
        await Promise.all(step.ids.map((id) => releaseIdle(deps, id, nodeOf.get(id) ?? '')));
        break;
      case 'forgive':
        await clearGoldenFailures(deps.redis, step.golden);
        break;
    }
  }
}

async function startClone({ redis, jobs }: RunPlanDeps, pool: Pool, step: Extract<Step, { kind: 'restore' }>): Promise<void> {
  const id = newInstanceId();
  const { template, size } = pool.spec;
  const draft = { id, pool: pool.name, template, golden: step.golden, node: step.node, role: 'clone', state: 'restoring' } as const;
  if ((await createInstance(redis, draft, size.max)) === 'created') await jobs.restore(step.node, id);
}

/** Destroys an instance that no tenant holds; one that was claimed in the meantime stays. */
export async function releaseIdle({ redis, jobs }: RunPlanDeps, id: InstanceId, node: string): Promise<void> {
  const from = ['starting', 'priming', 'restoring', 'preparing', 'warm'] as const;
  const { moved } = await moveInstance(redis, id, { to: 'releasing', from });
  if (moved) await jobs.destroy(node, id);
}
