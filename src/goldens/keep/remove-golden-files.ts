import type { Engine } from '#src/engine/engine.ts';
import { keepsFiles } from '#src/goldens/golden.ts';
import { getGolden } from '#src/goldens/store.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { isRunning } from './drop-golden.ts';

/**
 * Removes a golden's files from this node; false when they are needed: by its record, or by an instance that still runs on them. Can be repeated.
 * The record is read first: a pool's restore records its instance before it reads the golden's state, so that one of the two sees the other.
 */
export async function removeGoldenFiles(
  { redis, engine }: { redis: Redis; engine: Pick<Engine, 'removeGolden'> },
  id: GoldenId,
): Promise<boolean> {
  const golden = await getGolden(redis, id);
  if (golden && keepsFiles(golden.state)) return false;
  if (await isRunning(redis, id)) return false;
  await engine.removeGolden(id);
  return true;
}
