import { z } from 'zod';
import { runVerify, type VerifyDeps } from '#src/goldens/verify-golden.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const VerifyJob = z.object({ operationId: OperationId });

/** Verifies one golden. Safe to repeat: a second run destroys the clones of the first and begins afresh. */
export async function processVerify(job: Pick<Job, 'data'>, deps: VerifyDeps, signal: AbortSignal): Promise<void> {
  await runVerify(deps, VerifyJob.parse(job.data).operationId, signal);
}
