import { z } from 'zod';
import { type DestroyDeps, destroyInstance } from '#src/instances/destroy-instance.ts';
import { InstanceId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const DestroyJob = z.object({ instanceId: InstanceId });

/** Destroys one instance. Safe to repeat: destroying what is gone is no error. */
export async function processDestroy(job: Pick<Job, 'data'>, deps: DestroyDeps): Promise<void> {
  await destroyInstance(deps, DestroyJob.parse(job.data).instanceId);
}
