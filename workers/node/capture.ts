import { z } from 'zod';
import type { CaptureDeps } from '#src/goldens/capture/capture-run.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const CaptureJob = z.object({ operationId: OperationId });

/** Captures one golden. Safe to repeat: a second run destroys what the first left and starts over. */
export async function processCapture(job: Pick<Job, 'data'>, deps: CaptureDeps, signal: AbortSignal): Promise<void> {
  await captureGolden(deps, CaptureJob.parse(job.data).operationId, signal);
}
