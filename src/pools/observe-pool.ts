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
import type { PoolSpec } from './pool.ts';
import type { ObservedInstance, ObservedNode, ObservedPool, PlanTarget } from './pool-plan.ts';

const observeScript = loadLuaScript(import.meta.url, './lua/observe-pool.lua');

const Row = z.tuple([InstanceId, z.coerce.number(), z.union([GoldenId, z.literal('')]), z.string()]);
const Group = z.tuple([InstanceState, z.number()], Row);
const ObserveReply = z.tuple([z.coerce.number()], Group);

export interface PoolInstance {
  readonly id: InstanceId;
  readonly state: InstanceState;
  /** When it came into its state (ms). */
  readonly stateAt: number;
  readonly golden: GoldenId | undefined;
  readonly node: string;
}

export interface PoolInstances {
  /** Redis' time (ms). */
  readonly now: number;
  /** All of the live ones, but of those held by tenants only the newest: there may be thousands, and the planner just counts them. */
  readonly instances: readonly PoolInstance[];
  readonly held: number;
}

const isHeld = (state: InstanceState) => state === 'claimed' || state === 'suspended';
const newestHeld = 50;

/** The instances of a pool at one instant, each state from the oldest to the newest. */
export async function readPoolInstances(redis: Redis, pool: string): Promise<PoolInstances> {
  const keys = liveStates.map((state) => instanceKeys.poolState(pool, state));
  const wanted = liveStates.flatMap((state) => [state, isHeld(state) ? newestHeld : -1]);
  const [now, ...groups] = ObserveReply.parse(await observeScript.run(redis, keys, [instanceKeys.instance(''), ...wanted]));
  const instances = groups.flatMap(([state, , ...rows]) =>
    rows.map(([id, stateAt, golden, node]) => ({ id, state, stateAt, golden: golden === '' ? undefined : golden, node })),
  );
  const held = groups.reduce((sum, [state, count]) => sum + (isHeld(state) ? count : 0), 0);
  return { now, instances, held };
}

/** What the planner looks at. */
export async function observePool(redis: Redis, spec: PoolSpec, { instances, held }: PoolInstances): Promise<ObservedPool> {
  const [golden, nodes] = await Promise.all([findTarget(redis, spec), listNodes(redis)]);
  const observed = instances.flatMap(observedInstance);
  if ('missing' in golden) return { instances: observed, held, target: golden, nodes: [] };
  const failures = await getGoldenFailures(redis, golden.id);
  const target: PlanTarget = {
    golden: golden.id,
    cloneBytes: golden.pagesBytes ?? golden.spec.resources.memoryBytes,
    failures: failures && { count: failures.count, lastAt: failures.lastAt, message: failures.problem.message },
  };
  return { instances: observed, held, target, nodes: nodes.map((node) => observedNode(node, golden)) };
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
  const tier = isInTheMaking(state) ? 'coming' : isHeld(state) ? 'held' : 'warm';
  return [{ id, golden, node, tier, since: stateAt }];
}

function observedNode(node: Node, golden: Golden): ObservedNode {
  const refusal = () => {
    if (node.state !== 'ready') return `is ${node.state}`;
    if (!node.fit) return `is not fit: ${node.problems.join(', ')}`;
    if (golden.node !== node.name) return `does not have the files of ${golden.id}`;
    return node.capacity.diskFreeBytes > 0 ? undefined : 'has no disk left above its reserve';
  };
  return { name: node.name, refusal: refusal(), memoryFreeBytes: node.capacity.memoryFreeBytes };
}
