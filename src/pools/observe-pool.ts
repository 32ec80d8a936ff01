import { z } from 'zod';
import { type GoldenBuild, type GoldenBuilds, judgeNode, wantsBuild } from '#src/goldens/builds/build.ts';
import { readBuilds } from '#src/goldens/builds/store.ts';
import { getRestoreFailures, type RestoreFailures } from '#src/goldens/failures.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { getGolden, resolveGolden } from '#src/goldens/store.ts';
import { InstanceState, isInTheMaking, liveStates } from '#src/instances/instance.ts';
import { instanceKeys } from '#src/instances/keys.ts';
import type { Node } from '#src/nodes/node.ts';
import { listNodes } from '#src/nodes/store.ts';
import { isThawError } from '#src/platform/errors.ts';
import { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import type { Redis } from '#src/platform/redis.ts';
import { getTemplate } from '#src/templates/store.ts';
import type { PoolSpec } from './pool.ts';
import type { ColdDemand, ObservedGolden, ObservedInstance, ObservedNode, ObservedPool } from './pool-plan.ts';
import { poolKeys } from './store.ts';

const observeScript = loadLuaScript(import.meta.url, './lua/observe-pool.lua');

const Row = z.tuple([InstanceId, z.coerce.number(), z.union([GoldenId, z.literal('')]), z.string()]);
const Group = z.tuple([InstanceState, z.number()], Row);
const ObserveReply = z.tuple([z.coerce.number(), z.number(), z.number()], Group);

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
  /** Claims in the waiting line. */
  readonly waiting: number;
  /** Those of them that take a cold start. */
  readonly waitingCold: number;
}

const isHeld = (state: InstanceState) => state === 'claimed' || state === 'suspended';
const newestHeld = 50;

/** The instances of a pool at one instant, each state from the oldest to the newest. */
export async function readPoolInstances(redis: Redis, pool: string): Promise<PoolInstances> {
  const keys = [poolKeys.waiting(pool), poolKeys.waitingCold(pool), ...liveStates.map((state) => instanceKeys.poolState(pool, state))];
  const wanted = liveStates.flatMap((state) => [state, isHeld(state) ? newestHeld : -1]);
  const [now, waiting, waitingCold, ...groups] = ObserveReply.parse(
    await observeScript.run(redis, keys, [instanceKeys.instance(''), ...wanted]),
  );
  const instances = groups.flatMap(([state, , ...rows]) =>
    rows.map(([id, stateAt, golden, node]) => ({ id, state, stateAt, golden: golden === '' ? undefined : golden, node })),
  );
  const held = groups.reduce((sum, [state, count]) => sum + (isHeld(state) ? count : 0), 0);
  return { now, instances, held, waiting, waitingCold };
}

/** What the planner looks at. */
export async function observePool(
  redis: Redis,
  spec: PoolSpec,
  { now, instances, held, waiting, waitingCold }: PoolInstances,
): Promise<ObservedPool> {
  const [golden, nodes] = await Promise.all([findTarget(redis, spec), listNodes(redis)]);
  const observed = instances.flatMap(observedInstance);
  const cold = waitingCold === 0 ? undefined : await observeColdDemand(redis, spec, nodes, waitingCold);
  if ('missing' in golden) return { instances: observed, held, waiting, cold, target: golden, nodes: [] };
  return { instances: observed, held, waiting, cold, ...(await observeGolden(redis, golden, nodes, now)) };
}

/** The golden that a pool was filled from before; undefined when clones of it are not to be made any more. */
export async function observePrevious(redis: Redis, id: GoldenId, now: number): Promise<ObservedGolden | undefined> {
  const [golden, nodes] = await Promise.all([getGolden(redis, id), listNodes(redis)]);
  if (golden?.state !== 'ready' || golden.problem !== undefined) return undefined;
  const { target, nodes: observed } = await observeGolden(redis, golden, nodes, now);
  return { target, nodes: observed.map((node) => ({ ...node, wantsBuild: false })) };
}

async function observeGolden(redis: Redis, golden: Golden, nodes: readonly Node[], now: number): Promise<ObservedGolden> {
  const [failures, builds] = await Promise.all([getRestoreFailures(redis, golden.id), readBuilds(redis, golden)]);
  return {
    target: { golden: golden.id, cloneBytes: cloneBytes(golden) },
    nodes: nodes.map((node) => observedNode(node, golden, builds, failures.get(node.name), now)),
  };
}

async function observeColdDemand(
  redis: Redis,
  { template }: PoolSpec,
  nodes: readonly Node[],
  waiting: number,
): Promise<ColdDemand | undefined> {
  const spec = (await getTemplate(redis, template))?.spec;
  if (!spec?.coldFallback) return undefined;
  const able = nodes.filter((node) => unusable(node) === undefined);
  const free = able.map(({ name, capacity }) => ({ name, memoryFreeBytes: capacity.memoryFreeBytes }));
  return { waiting, memoryBytes: spec.resources.memoryBytes, nodes: free };
}

/** Memory that one clone of the golden takes. */
export function cloneBytes({ pagesBytes, spec }: Golden): number {
  return pagesBytes ?? spec.resources.memoryBytes;
}

/** The golden that a pool is filled from, or why there is none. */
export async function findTarget(redis: Redis, spec: PoolSpec): Promise<Golden | { missing: string }> {
  try {
    return await resolveGolden(redis, spec.template, spec.golden);
  } catch (error) {
    if (isThawError(error, 'alias_not_found', 'golden_not_found', 'golden_not_ready')) return { missing: error.message };
    throw error;
  }
}

function observedInstance({ id, state, stateAt, golden, node }: PoolInstance): ObservedInstance[] {
  if (state === 'releasing') return [];
  return [{ id, golden, node, tier: tierOf(state), since: stateAt }];
}

function tierOf(state: InstanceState): ObservedInstance['tier'] {
  if (isHeld(state)) return 'held';
  if (state === 'preparing') return 'coming';
  return isInTheMaking(state) ? 'queued' : 'warm';
}

function observedNode(node: Node, golden: Golden, builds: GoldenBuilds, failures: RestoreFailures | undefined, now: number): ObservedNode {
  const { name, capacity } = node;
  const isUsable = unusable(node) === undefined;
  return {
    ...{ name, failures, refusal: refusalOf(node, golden, builds), memoryFreeBytes: capacity.memoryFreeBytes },
    wantsBuild: isUsable && wantsBuild(golden, builds, node, now),
  };
}

/** Why a node takes no clones of the golden, in words that follow its name; undefined when it does. */
export function refusalOf(node: Node, golden: Golden, builds: GoldenBuilds): string | undefined {
  const hindrance = unusable(node);
  if (hindrance !== undefined) return hindrance;
  const { compatible, has, reasons, making } = judgeNode(builds, node);
  if (compatible) return has ? undefined : `does not have the files of ${golden.id}`;
  return [`can not restore ${golden.id} (${reasons.join(', ')})`, tellMaking(making)].filter(Boolean).join('; ');
}

function tellMaking(making: GoldenBuild | undefined): string | undefined {
  if (making?.state === 'building') return `its own build is being captured (operation ${making.operation})`;
  return making && `its own build could not be captured: ${making.problem?.message ?? 'see its operation'} (operation ${making.operation})`;
}

function unusable({ state, fit, problems, capacity }: Node): string | undefined {
  if (state !== 'ready') return `is ${state}`;
  if (!fit) return `is not fit: ${problems.join(', ')}`;
  return capacity.diskFreeBytes > 0 ? undefined : 'has no disk left above its reserve';
}
