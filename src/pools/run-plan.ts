import { type RequestBuildDeps, requestBuild } from '#src/goldens/builds/request-build.ts';
import { forgiveFailures } from '#src/goldens/failures.ts';
import { getGolden } from '#src/goldens/store.ts';
import { isInTheMaking } from '#src/instances/instance.ts';
import { createInstance, moveInstance } from '#src/instances/store.ts';
import { getNode } from '#src/nodes/store.ts';
import { type GoldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { PoolInstance } from './observe-pool.ts';
import type { Pool } from './pool.ts';
import type { Step } from './pool-plan.ts';

/** Asks a node to make or end an instance. Repeating it while the job is queued or under way changes nothing. */
export interface InstanceJobs {
  /** `rank`: how many its pool has ready or on their way before it. The lowest goes first, so that no pool waits behind the plenty of another. */
  restore(node: string, id: InstanceId, rank: number): Promise<void>;
  /** From the image of its template. */
  start(node: string, id: InstanceId): Promise<void>;
  destroy(node: string, id: InstanceId): Promise<void>;
  /** Takes a restore that was not begun off the queue. */
  cancelRestore(node: string, id: InstanceId): Promise<void>;
  /** Asks again for many, in one batch. */
  repeat(node: string, kind: 'restore' | 'start' | 'destroy', ids: readonly InstanceId[]): Promise<void>;
}

export interface RunPlanDeps {
  readonly redis: Redis;
  readonly jobs: InstanceJobs & RequestBuildDeps['jobs'];
}

/** Carries out the steps of a plan: the record first, then the job. A crash between the two is made good by findLostJobs. */
export async function runPlan(deps: RunPlanDeps, pool: Pool, steps: readonly Step[], instances: readonly PoolInstance[]): Promise<void> {
  const byId = new Map(instances.map((one) => [one.id, one]));
  let rank = instances.filter((one) => one.state === 'warm' || isInTheMaking(one.state)).length;
  for (const step of steps) {
    switch (step.kind) {
      case 'restore':
        await Promise.all(Array.from({ length: step.count }, () => startClone(deps, pool, step, rank++)));
        break;
      case 'start':
        await Promise.all(Array.from({ length: step.count }, () => startOne(deps, pool, step.node)));
        break;
      case 'destroy':
        await releaseIdle(
          deps,
          step.ids.flatMap((id) => byId.get(id) ?? []),
        );
        break;
      case 'build':
        await askForBuild(deps, step.golden, step.node);
        break;
      case 'forgive':
        await forgiveFailures(deps.redis, { golden: step.golden, node: step.node, pool: pool.name });
        break;
    }
  }
}

async function askForBuild(deps: RunPlanDeps, id: GoldenId, name: string): Promise<void> {
  const [golden, node] = await Promise.all([getGolden(deps.redis, id), getNode(deps.redis, name)]);
  if (golden && node) await requestBuild(deps, golden, node);
}

type RestoreStep = Extract<Step, { kind: 'restore' }>;

async function startClone({ redis, jobs }: RunPlanDeps, pool: Pool, step: RestoreStep, rank: number): Promise<void> {
  const id = newInstanceId();
  const { template, size } = pool.spec;
  const draft = { id, pool: pool.name, template, golden: step.golden, node: step.node, role: 'clone', state: 'restoring' } as const;
  if ((await createInstance(redis, draft, size.max)) === 'created') await jobs.restore(step.node, id, rank);
}

async function startOne({ redis, jobs }: RunPlanDeps, pool: Pool, node: string): Promise<void> {
  const id = newInstanceId();
  const { template, size } = pool.spec;
  const draft = { id, pool: pool.name, template, node, role: 'cold', state: 'starting' } as const;
  if ((await createInstance(redis, draft, size.max)) === 'created') await jobs.start(node, id);
}

/** Destroys instances that no tenant holds; one that was claimed in the meantime stays. */
export async function releaseIdle({ redis, jobs }: RunPlanDeps, instances: readonly PoolInstance[]): Promise<void> {
  const from = ['starting', 'priming', 'restoring', 'preparing', 'warm'] as const;
  const release = async ({ id, node, state }: PoolInstance) => {
    const { moved } = await moveInstance(redis, id, { to: 'releasing', from });
    if (!moved) return;
    if (isInTheMaking(state)) await jobs.cancelRestore(node, id); // one that was begun finds its instance released
    await jobs.destroy(node, id);
  };
  await Promise.all(instances.map(release));
}
