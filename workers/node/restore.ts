import { z } from 'zod';
import { type RestoreDeps, restoreInstance } from '#src/instances/restore-instance.ts';
import { InstanceId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const RestoreJob = z.object({ instanceId: InstanceId });

/** Restores one clone. Safe to repeat: one that is warm is left as it is, one half-way is finished. */
export async function processRestore(job: Pick<Job, 'data'>, deps: RestoreDeps, signal: AbortSignal): Promise<void> {
  await restoreInstance(deps, RestoreJob.parse(job.data).instanceId, signal);
}
