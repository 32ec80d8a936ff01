import { z } from 'zod';
import { type DryRunDeps, dryRunCapture } from '#src/goldens/dry-run-capture.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const DryRunJob = z.object({ operationId: OperationId });

/** Looks at what would stop a capture. Safe to repeat: a second run destroys the primer of the first and begins afresh. */
export async function processDryRun(job: Pick<Job, 'data'>, deps: DryRunDeps, signal: AbortSignal): Promise<void> {
  await dryRunCapture(deps, DryRunJob.parse(job.data).operationId, signal);
}
