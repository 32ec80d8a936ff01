import { z } from 'zod';
import { type StartColdDeps, startCold } from '#src/instances/start-cold.ts';
import { InstanceId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const StartJob = z.object({ instanceId: InstanceId });

/** Starts one instance cold. Safe to repeat: one that is warm is left as it is, one half-way is finished. */
export async function processStart(job: Pick<Job, 'data'>, deps: StartColdDeps, signal: AbortSignal): Promise<void> {
  await startCold(deps, StartJob.parse(job.data).instanceId, signal);
}
