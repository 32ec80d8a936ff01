import { isThawError } from '#src/platform/errors.ts';
import type { Failure } from '#src/platform/failure.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { giveUpFiles } from './builds/store.ts';
import { isSealed } from './golden.ts';
import { getGolden, moveGolden } from './store.ts';

/**
 * Fails a golden whose files are no longer what was sealed, for nothing is ever restored from them again: pools that follow it then say
 * why, and it can not be promoted. Of any other problem it does nothing (files that are missing may be on a disk that is not mounted); nor
 * of a golden under way, whose capture judges it itself.
 * Where other nodes have builds of it, only the files of this `node` are given up.
 * Aliases stay: whoever set them decides what they point to next. The files go once no instance runs on them.
 */
export async function condemnGolden(redis: Redis, id: GoldenId, problem: Failure, node?: string): Promise<void> {
  if (problem.code !== 'golden_corrupt') return;
  const golden = await getGolden(redis, id);
  if (!golden || !isSealed(golden.state)) return;
  if (node !== undefined && (await giveUpFiles(redis, golden, node))) return;
  try {
    await moveGolden(redis, id, 'failed', { problem });
  } catch (error) {
    if (!isThawError(error, 'invalid_transition')) throw error; // another clone found it too, or it was deleted meanwhile
  }
}
