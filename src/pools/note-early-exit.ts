import { recordRestoreFailure } from '#src/goldens/failures.ts';
import { getInstance } from '#src/instances/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';

const soonMs = 10_000;

/**
 * A clone that ends by itself soon after it became warm counts as a failed restore of its golden on its node: a golden whose clones all do
 * that would otherwise be restored for ever, as fast as the node can. To be called before the exit is recorded.
 */
export async function noteEarlyExit(redis: Redis, id: InstanceId): Promise<void> {
  const instance = await getInstance(redis, id);
  if (instance?.state !== 'warm' || instance.golden === undefined || instance.warmAt === undefined) return;
  const livedMs = (await redisTimeMs(redis)) - instance.warmAt;
  if (livedMs > soonMs) return;
  const message = `clone ${id} of ${instance.golden} ended by itself ${livedMs} ms after it became warm`;
  const fix = "See the app's log for why it ended, and capture a new golden.";
  const { golden, node, pool } = instance;
  await recordRestoreFailure(redis, { golden, node, pool }, describeFailure(new ThawError('clone_exited', message, { fix })));
}
