import { z } from 'zod';
import { type BuildDeps, buildGolden } from '#src/goldens/builds/build-golden.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const BuildJob = z.object({ operationId: OperationId });

/** Captures a golden once more, for this node. Safe to repeat: a second run destroys what the first left and starts over. */
export async function processBuild(job: Pick<Job, 'data'>, deps: BuildDeps, signal: AbortSignal): Promise<void> {
  await buildGolden(deps, BuildJob.parse(job.data).operationId, signal);
}
