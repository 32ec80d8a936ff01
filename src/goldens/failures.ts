import { z } from 'zod';
import { poolChangedChannel } from '#src/instances/keys.ts';
import { Failure } from '#src/platform/failure.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import type { Redis } from '#src/platform/redis.ts';
import { goldenKeys } from './keys.ts';

/** Failed restores of one golden since the last that worked; `lastAt` in ms by Redis' clock. */
export interface GoldenFailures {
  readonly count: number;
  readonly lastAt: number;
  readonly problem: Failure;
}

const FailuresHash = z.object({ count: z.coerce.number(), lastAt: z.coerce.number(), problem: jsonField(Failure) });

const recordScript = loadLuaScript(import.meta.url, './lua/record-failure.lua');

/** What the planner's breaker looks at; undefined when the last restore worked. */
export async function getGoldenFailures(redis: Redis, golden: GoldenId): Promise<GoldenFailures | undefined> {
  const hash = await redis.hgetall(goldenKeys.failures(golden));
  return 'count' in hash ? FailuresHash.parse(hash) : undefined;
}

export async function recordGoldenFailure(redis: Redis, golden: GoldenId, problem: Failure): Promise<void> {
  await recordScript.run(redis, [goldenKeys.failures(golden)], [JSON.stringify(problem), poolChangedChannel]);
}

/** A restore worked. */
export async function clearGoldenFailures(redis: Redis, golden: GoldenId): Promise<void> {
  await redis.del(goldenKeys.failures(golden));
}
