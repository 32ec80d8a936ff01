import { z } from 'zod';
import { type ExportDeps, exportGolden } from '#src/goldens/export-golden.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Job } from '#src/platform/queue.ts';

const ExportJob = z.object({ operationId: OperationId });

/** Exports one golden. Safe to repeat: a second run begins afresh. */
export async function processExport(job: Pick<Job, 'data'>, deps: ExportDeps, signal: AbortSignal): Promise<void> {
  await exportGolden(deps, ExportJob.parse(job.data).operationId, signal);
}
