import { z } from 'zod';
import type { Failure } from '#src/platform/failure.ts';
import { hashFields } from '#src/platform/hash-field.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, runPipeline } from '#src/platform/redis.ts';
import { type Instance, type InstancePort, InstanceState, isLive, liveStates, statesBefore, type TimingsMs } from './instance.ts';
import { instanceKeys } from './keys.ts';
import { parseInstance } from './record.ts';

export interface InstanceDraft {
  readonly id: InstanceId;
  /** Empty: belongs to no pool. */
  readonly pool: string;
  readonly template: string;
  readonly golden?: GoldenId;
  readonly node: string;
  readonly role: Instance['role'];
  readonly state: 'starting' | 'priming' | 'restoring';
}

const createScript = loadLuaScript(import.meta.url, './lua/create-instance.lua');
const moveScript = loadLuaScript(import.meta.url, './lua/move-instance.lua');

/** How long the record of an instance that ended can still be read. */
const keepEndedMs = 3_600_000;

/**
 * Records an instance before anything of it is made. `maxLive` bounds the pool's instances in all live states but releasing,
 * atomically: two planners that plan at once stay below it together. A record that ended is replaced, a live one is kept.
 */
export async function createInstance(redis: Redis, draft: InstanceDraft, maxLive = -1): Promise<'created' | 'exists' | 'full'> {
  const { id, pool, state, ...fields } = draft;
  const states = [state, ...liveStates.filter((other) => other !== state && other !== 'releasing')];
  const poolKeys = pool === '' ? [] : states.map((each) => instanceKeys.poolState(pool, each));
  const reply = await createScript.run(
    redis,
    [instanceKeys.instance(id), instanceKeys.all, instanceKeys.node(draft.node), ...poolKeys],
    [id, state, pool, maxLive, keyPrefix, ...hashFields(fields)],
  );
  return z.enum(['created', 'exists', 'full']).parse(reply);
}

export interface InstanceMove {
  readonly to: InstanceState;
  /** Narrows what the transition table allows. */
  readonly from?: readonly InstanceState[];
  readonly address?: string;
  readonly ports?: readonly InstancePort[];
  readonly timingsMs?: TimingsMs;
  readonly problem?: Failure;
}

const MoveReply = z.tuple([z.union([z.literal(0), z.literal(1)]), z.union([InstanceState, z.literal('')])]);

/** Atomic. `before`: the state that was found; absent when there is no record. */
export async function moveInstance(redis: Redis, id: InstanceId, move: InstanceMove): Promise<{ moved: boolean; before?: InstanceState }> {
  const { to, from, ...fields } = move;
  const allowed = statesBefore(to).filter((state) => from === undefined || from.includes(state));
  const reply = await moveScript.run(
    redis,
    [instanceKeys.instance(id), instanceKeys.all],
    [id, to, allowed.map((state) => `${state},`).join(''), keyPrefix, isLive(to) ? 0 : 1, keepEndedMs, ...hashFields(fields)],
  );
  const [moved, before] = MoveReply.parse(reply);
  return before === '' ? { moved: false } : { moved: moved === 1, before };
}

export async function getInstance(redis: Redis, id: InstanceId): Promise<Instance | undefined> {
  return parseInstance(await redis.hgetall(instanceKeys.instance(id)));
}

/** Those of the ids that have a record, in their order. */
export async function getInstances(redis: Redis, ids: readonly string[]): Promise<Instance[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(instanceKeys.instance(id));
  const hashes = z.array(z.record(z.string(), z.string())).parse(await runPipeline(pipeline));
  return hashes.flatMap((hash) => parseInstance(hash) ?? []);
}

export async function listNodeInstances(redis: Redis, node: string): Promise<Instance[]> {
  return getInstances(redis, await redis.smembers(instanceKeys.node(node)));
}

/** How many instances of the pool are in each live state. */
export async function poolCounts(redis: Redis, pool: string): Promise<Record<InstanceState, number>> {
  const pipeline = redis.pipeline();
  for (const state of liveStates) pipeline.zcard(instanceKeys.poolState(pool, state));
  const replies = await runPipeline(pipeline);
  const counts: Record<InstanceState, number> = { ...noInstances };
  for (const [index, state] of liveStates.entries()) counts[state] = z.number().parse(replies[index]);
  return counts;
}

const noInstances: Readonly<Record<InstanceState, number>> = {
  starting: 0,
  priming: 0,
  restoring: 0,
  preparing: 0,
  warm: 0,
  claimed: 0,
  suspended: 0,
  releasing: 0,
  destroyed: 0,
  failed: 0,
};
