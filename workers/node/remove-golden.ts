import { z } from 'zod';
import { removeGoldenFiles } from '#src/goldens/reconcile-goldens.ts';
import { GoldenId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const RemoveGoldenJob = z.object({ golden: GoldenId });

/** Removes the files of a deleted golden. Safe to repeat; what is still in use is left for reconcile. */
export async function processRemoveGolden(job: Pick<Job, 'data'>, deps: Parameters<typeof removeGoldenFiles>[0]): Promise<void> {
  await removeGoldenFiles(deps, RemoveGoldenJob.parse(job.data).golden);
}
