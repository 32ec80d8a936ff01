import { z } from 'zod';
import { removeGoldenFiles } from '#src/goldens/keep/remove-golden-files.ts';
import { recordGoldenSizes } from '#src/goldens/keep/tidy-goldens.ts';
import { GoldenId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

type RemoveGoldenDeps = Parameters<typeof removeGoldenFiles>[0] & Parameters<typeof recordGoldenSizes>[0];

const RemoveGoldenJob = z.object({ golden: GoldenId });

/** Removes the files of a deleted golden. Safe to repeat; what is still in use is left for reconcile. */
export async function processRemoveGolden(job: Pick<Job, 'data'>, deps: RemoveGoldenDeps): Promise<void> {
  if (await removeGoldenFiles(deps, RemoveGoldenJob.parse(job.data).golden)) await recordGoldenSizes(deps);
}
