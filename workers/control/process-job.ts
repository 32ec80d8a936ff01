import type { EndClaimDeps } from '#src/claims/end-and-destroy.ts';
import type { RefreshDeps } from '#src/goldens/refresh-by-itself.ts';
import { imageCheckJob, refreshJob } from '#src/goldens/refresh-schedules.ts';
import type { Job } from '#src/platform/queue.ts';
import { processHousekeeping } from './housekeeping.ts';
import { processImageCheck, processRefresh } from './refresh.ts';

/** The processor of the queue that any worker serves: each job by its name. */
export function controlJobProcessor(deps: EndClaimDeps & RefreshDeps): (job: Job, signal: AbortSignal) => Promise<void> {
  const processors: Readonly<Record<string, (job: Job, signal: AbortSignal) => Promise<void>>> = {
    housekeeping: () => processHousekeeping(deps),
    [refreshJob]: (job) => processRefresh(job, deps),
    [imageCheckJob]: (job, signal) => processImageCheck(job, deps, signal),
  };
  return async (job, signal) => {
    const processor = processors[job.name];
    if (processor === undefined) throw new Error(`no processor for a job named ${job.name}`);
    await processor(job, signal);
  };
}
