import { z } from 'zod';
import { goldenKeys } from '#src/goldens/keys.ts';
import { getGolden } from '#src/goldens/store.ts';
import { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { isUsed, tryDropGolden } from './drop-golden.ts';

/** Deletes the retired goldens of a node on which nothing runs any more. Can be repeated; their files are for whoever removes unrecorded ones. */
export async function finishRetired({ redis, node }: { redis: Redis; node: string }): Promise<void> {
  for (const id of z.array(GoldenId).parse(await redis.smembers(goldenKeys.retired))) {
    const golden = await getGolden(redis, id);
    if (!golden || golden.state === 'deleted') await redis.srem(goldenKeys.retired, id);
    else if (golden.node === node && !(await isUsed(redis, id))) await tryDropGolden(redis, golden, golden.droppedFor ?? 'request');
  }
}
