import { type RefreshDeps, refreshIfImageChanged, refreshOnSchedule } from '#src/goldens/refresh-by-itself.ts';
import { RefreshJob } from '#src/goldens/refresh-schedules.ts';
import type { Job } from '#src/platform/queue.ts';

/** Takes a template's next golden when its cron says so. Safe to repeat: the same due time is the same refresh. */
export async function processRefresh(job: Pick<Job, 'id' | 'data'>, deps: RefreshDeps): Promise<void> {
  await refreshOnSchedule(deps, RefreshJob.parse(job.data).template, job.id ?? '');
}

/** Asks a registry whether an image's tag has moved. Safe to repeat: the same image is the same refresh. */
export async function processImageCheck(job: Pick<Job, 'data'>, deps: RefreshDeps, signal: AbortSignal): Promise<void> {
  await refreshIfImageChanged(deps, RefreshJob.parse(job.data).template, signal);
}
