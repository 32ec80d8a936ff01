import { splitGoldenId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { goldensNamed, poolsOfTemplate } from '#src/pools/store.ts';
import { isWatched } from './rollout.ts';
import { readRollout } from './store.ts';

/** Numbers of the template's goldens that pools name or would be rolled back to, each with the name of such a pool. */
export async function goldensNeeded(redis: Redis, template: string): Promise<Map<number, string>> {
  const [needed, pools, now] = await Promise.all([goldensNamed(redis, template), poolsOfTemplate(redis, template), redisTimeMs(redis)]);
  for (const pool of pools) {
    const rollout = await readRollout(redis, pool);
    if (rollout?.from === undefined || !isWatched(rollout, now)) continue;
    const from = splitGoldenId(rollout.from);
    if (from.template === template) needed.set(from.number, pool);
  }
  return needed;
}
