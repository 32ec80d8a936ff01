import { z } from 'zod';
import { Failure } from '#src/platform/failure.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { goldenKeys } from './keys.ts';

const RestoreFailures = z.object({ count: z.number(), lastAt: z.number(), problem: Failure });
/** Restores of one golden on one node that failed since the last that proved itself; `lastAt` in ms by Redis' clock. */
export type RestoreFailures = z.infer<typeof RestoreFailures>;

/** Failures in a row that are put up with before the breaker of a golden on a node opens. */
export const breakerPatience = 3;

/** A breaker that nothing was tried against for so long is forgotten: its golden or its node is gone. */
const keepMs = 24 * 3_600_000;

const recordScript = loadLuaScript(import.meta.url, './lua/record-failure.lua');
const forgiveScript = loadLuaScript(import.meta.url, './lua/forgive-failures.lua');
const FailuresHash = z.record(z.string(), jsonField(RestoreFailures));

/** By node, what the planner's breakers look at; a node whose last restore worked is not in it. */
export async function getRestoreFailures(redis: Redis, golden: GoldenId): Promise<ReadonlyMap<string, RestoreFailures>> {
  return new Map(Object.entries(FailuresHash.parse(await redis.hgetall(goldenKeys.failures(golden)))));
}

export interface RestoredFrom {
  readonly golden: GoldenId;
  readonly node: string;
  /** Of the clone; empty when it belongs to none. */
  readonly pool: string;
}

/** Atomic. Opens the breaker, with an event, when it is the third in a row. */
export async function recordRestoreFailure(redis: Redis, { golden, node, pool }: RestoredFrom, problem: Failure): Promise<void> {
  const what = [golden, node, pool, JSON.stringify(problem), problem.code];
  await recordScript.run(redis, [goldenKeys.failures(golden)], [...what, breakerPatience, keepMs, keyPrefix]);
}

/** A clone of the golden proved itself on the node: its failures there are forgotten. Closes the breaker, with an event, if it was open. */
export async function forgiveFailures(redis: Redis, { golden, node, pool }: RestoredFrom): Promise<void> {
  await forgiveScript.run(redis, [goldenKeys.failures(golden)], [golden, node, pool, breakerPatience, keyPrefix]);
}
