import { type DropReason, type Golden, isUnderWay } from '#src/goldens/golden.ts';
import { moveGolden } from '#src/goldens/store.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { listUnfinishedOperations } from '#src/operations/store.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';

/**
 * Numbers of a template's goldens that pools hold on to, each with the name of such a pool: what they name by number, and for what goes without
 * being asked for also what they would be rolled back to.
 */
export type GoldensNamed = (template: string) => Promise<ReadonlyMap<number, string>>;

export async function isRunning(redis: Redis, golden: GoldenId): Promise<boolean> {
  return (await listInstances(redis, { golden, limit: 1 })).items.length > 0;
}

/** Its files are needed: by instances, or by an operation that verifies or exports it. */
export async function isUsed(redis: Redis, golden: GoldenId): Promise<boolean> {
  if (await isRunning(redis, golden)) return true;
  return (await listUnfinishedOperations(redis)).some(({ target }) => target === golden);
}

/**
 * Deletes a golden whose capture has ended; while it is used it is retired, and finishRetired deletes it. Its files follow.
 * Throws golden_in_use while an alias points to it, invalid_transition when it went away or was condemned meanwhile.
 */
export async function dropGolden(redis: Redis, { id, state }: Golden, droppedFor: DropReason): Promise<'retired' | 'deleted'> {
  if (isUnderWay(state)) throw new Error(`golden ${id} is ${state}: its capture ends it`);
  const to = (await isUsed(redis, id)) ? 'retired' : 'deleted';
  if (to !== state) await moveGolden(redis, id, to, { droppedFor });
  return to;
}

/** As dropGolden. Where an alias points to it by now, or somebody else was quicker, nothing changes. */
export async function tryDropGolden(redis: Redis, golden: Golden, droppedFor: DropReason): Promise<void> {
  try {
    await dropGolden(redis, golden, droppedFor);
  } catch (error) {
    if (!isThawError(error, 'golden_in_use', 'invalid_transition')) throw error;
  }
}
