import { listInstances } from '#src/instances/list-instances.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { isUnderWay } from './golden.ts';
import type { RequestDeps } from './request-capture.ts';
import { moveGolden, requireGolden, underWay } from './store.ts';

/**
 * Deletes a golden; its files follow. Throws golden_not_found, golden_in_use while an alias points to it or a live instance
 * runs on its files, capture_in_progress while it is being made.
 */
export async function deleteGolden({ redis, jobs }: RequestDeps, id: GoldenId): Promise<void> {
  const golden = await requireGolden(redis, id);
  if (isUnderWay(golden.state)) throw underWay(golden);
  if (golden.state === 'deleted') return;
  const { items } = await listInstances(redis, { golden: id, limit: 1 });
  if (items[0]) {
    throw new ThawError('golden_in_use', `instance ${items[0].id} (${items[0].state}) runs on the files of golden ${id}`, {
      fix: 'Move its pools to another golden and wait until its instances are gone.',
    });
  }
  await moveGolden(redis, id, 'deleted');
  await jobs.removeGolden(golden.node, id);
}
