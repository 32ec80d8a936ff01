import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { type Golden, isUnderWay } from './golden.ts';
import { dropGolden, type GoldensNamed } from './keep/drop-golden.ts';
import type { RequestDeps } from './request-capture.ts';
import { requireGolden, underWay } from './store.ts';

export interface DeleteGoldenDeps extends RequestDeps {
  readonly goldensNamed: GoldensNamed;
}

/**
 * Deletes a golden; its files follow. While instances run on it it is only retired, and goes when they have ended; repeating it changes
 * nothing. Answers it as it is afterwards. Throws golden_not_found, golden_in_use while an alias points to it or a pool names it by number,
 * capture_in_progress while it is being made.
 */
export async function deleteGolden({ redis, jobs, goldensNamed }: DeleteGoldenDeps, id: GoldenId): Promise<Golden> {
  const golden = await requireGolden(redis, id);
  if (isUnderWay(golden.state)) throw underWay(golden);
  if (golden.state === 'deleted') return golden;
  const pool = (await goldensNamed(golden.template)).get(golden.number);
  if (pool !== undefined) {
    throw new ThawError('golden_in_use', `golden ${id} is what pool ${pool} names by its number`, {
      fix: `Let the pool name another golden or an alias: PUT /v1/pools/${pool}.`,
    });
  }
  if ((await dropGolden(redis, golden, 'request')) === 'deleted') await jobs.removeGolden(golden.node, id);
  return await requireGolden(redis, id);
}
