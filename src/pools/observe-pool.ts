import { z } from 'zod';
import { getGoldenFailures } from '#src/goldens/failures.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { resolveGolden } from '#src/goldens/store.ts';
import { InstanceState, isInTheMaking, liveStates } from '#src/instances/instance.ts';
import { instanceKeys } from '#src/instances/keys.ts';
import type { Node } from '#src/nodes/node.ts';
import { listNodes } from '#src/nodes/store.ts';
import { isThawError } from '#src/platform/errors.ts';
import { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { ObservedInstance, ObservedNode, ObservedPool, PlanTarget } from './plan-pool.ts';
import type { PoolSpec } from './pool.ts';

const observeScript = loadLuaScript(import.meta.url, './lua/observe-pool.lua');

const Row = z.tuple([InstanceId, InstanceState, z.coerce.number(), z.union([GoldenId, z.literal('')]), z.string()]).transform((row) => ({
  id: row[0],
  state: row[1],
  /** When it came into its state (ms). */
  stateAt: row[2],
  golden: row[3] === '' ? undefined : row[3],
  node: row[4],
}));
export type PoolInstance = z.infer<typeof Row>;

const ObserveReply = z.tuple([z.coerce.number()], Row);

/** All live instances of a pool, and Redis' time (ms), at one instant. */
export async function readPoolInstances(redis: Redis, pool: string): Promise<{ now: number; instances: PoolInstance[] }> {
  const keys = liveStates.map((state) => instanceKeys.poolState(pool, state));
  const [now, ...instances] = ObserveReply.parse(await observeScript.run(redis, keys, [instanceKeys.instance(''), ...liveStates]));
  return { now, instances };
}

/** What the planner looks at. */
export async function observePool(redis: Redis, spec: PoolSpec, instances: readonly PoolInstance[]): Promise<ObservedPool> {
  const [golden, nodes] = await Promise.all([findTarget(redis, spec), listNodes(redis)]);
  const observed = instances.flatMap(observedInstance);
  if ('missing' in golden) return { instances: observed, target: golden, nodes: [] };
  const failures = await getGoldenFailures(redis, golden.id);
  const target: PlanTarget = {
    golden: golden.id,
    cloneBytes: golden.pagesBytes ?? golden.spec.resources.memoryBytes,
    failures: failures && { count: failures.count, lastAt: failures.lastAt, message: failures.problem.message },
  };
  return { instances: observed, target, nodes: nodes.map((node) => observedNode(node, golden)) };
}

async function findTarget(redis: Redis, spec: PoolSpec): Promise<Golden | { missing: string }> {
  try {
    return await resolveGolden(redis, spec.template, spec.golden);
  } catch (error) {
    if (isThawError(error, 'alias_not_found', 'golden_not_found', 'golden_not_ready')) return { missing: error.message };
    throw error;
  }
}

function observedInstance({ id, state, stateAt, golden, node }: PoolInstance): ObservedInstance[] {
  if (state === 'releasing') return [];
  const tier = isInTheMaking(state) ? 'coming' : state === 'warm' ? 'warm' : 'held';
  return [{ id, golden, node, tier, since: stateAt }];
}

function observedNode(node: Node, golden: Golden): ObservedNode {
  const refusal = () => {
    if (node.state !== 'ready') return `is ${node.state}`;
    if (!node.fit) return `is not fit: ${node.problems.join(', ')}`;
    return golden.node === node.name ? undefined : `does not have the files of ${golden.id}`;
  };
  return { name: node.name, refusal: refusal(), memoryFreeBytes: node.capacity.memoryFreeBytes };
}
