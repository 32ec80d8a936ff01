import { runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import { ourselves, promotedAlias, setAlias } from './aliases.ts';
import type { CaptureDeps, CaptureRun } from './capture/capture-run.ts';
import { checkpointPrimer } from './capture/checkpoint-primer.ts';
import { stepTimes } from './capture/step-times.ts';
import { type Golden, isUnderWay } from './golden.ts';
import { importGolden } from './import-golden.ts';
import { requireGoldenDisk } from './keep/golden-disk.ts';
import { tidyGoldens } from './keep/tidy-goldens.ts';
import { CaptureParams } from './request-capture.ts';
import { scanGolden } from './scan-golden.ts';
import { getGolden, moveGolden, requireGolden } from './store.ts';
import { bestOf } from './verify/require-no-regression.ts';
import { proveGolden } from './verify-golden.ts';
import { destroyWorkingInstances } from './working-instances.ts';

/**
 * The worker's part of a capture: a primer is started, made ready, warmed up, told by its hook and dumped; the golden is proven with two clones
 * and promoted. On failure or cancel the golden is `failed` and nothing of it is left; one that is ready by then stays, and is not promoted. A second run destroys what the first
 * left and starts over, or only promotes a golden that is ready already.
 */
export async function captureGolden(deps: CaptureDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  const golden = await requireGolden(deps.redis, GoldenId.parse(operation.target));
  const params = CaptureParams.parse(operation.params);
  const ran = await runOperation(deps.redis, id, signal, async (step) => {
    if (golden.state !== 'ready') await makeGolden({ deps, golden, operation: id, params, step }, signal);
    await tidyGoldens(deps, golden, step);
    const move = { by: params.requestedBy?.name ?? ourselves, isAutomatic: true };
    if (params.promote) await step('promote', () => setAlias(deps.redis, golden.template, promotedAlias, golden.number, move));
    return { ...describeResult(await requireGolden(deps.redis, golden.id)), promoted: params.promote };
  });
  if (!ran) await discardGolden(deps, golden.id, id, new ThawError('cancelled', `operation ${id} ended before the capture began`));
}

async function makeGolden(run: CaptureRun, workerStops: AbortSignal): Promise<void> {
  const { deps, golden, operation } = run;
  try {
    await beginAfresh(run);
    await requireGoldenDisk(deps, golden.template);
    if (run.params.from === undefined) await checkpointPrimer(run);
    else await importGolden(run, run.params.from);
    if (golden.spec.scan) await run.step('scan', (stop) => scanGolden(deps, golden, stop));
    await verifyGolden(run);
  } catch (error) {
    if (workerStops.aborted) await destroyWorkingInstances(deps, operation);
    else await discardGolden(deps, golden.id, operation, error);
    throw error;
  }
}

/**
 * What an earlier run has left goes first: two primers of one capture never run side by side. Throws invalid_transition for a golden that was
 * ready and has been retired, deleted or condemned since: clones may run on its files.
 */
async function beginAfresh({ deps, golden, operation }: CaptureRun): Promise<void> {
  await destroyWorkingInstances(deps, operation);
  await moveGolden(deps.redis, golden.id, 'capturing');
  await deps.engine.removeGolden(golden.id);
}

/** Nothing depends on a golden before clones of it have proven themselves. */
async function verifyGolden({ deps, golden, operation, step }: CaptureRun): Promise<void> {
  const { clones } = await step('verify', (stop) => proveGolden(deps, golden, operation, stop));
  const { timingsMs } = await requireGolden(deps.redis, golden.id);
  await moveGolden(deps.redis, golden.id, 'ready', {
    timingsMs: { ...timingsMs, restore: bestOf(clones).restoreMs },
    steps: await stepTimes(deps.redis, operation),
  });
}

/** Nothing of a golden that did not come about is left, and its template can be captured again. One that did is not for its capture to remove. */
async function discardGolden(deps: CaptureDeps, golden: GoldenId, id: OperationId, reason: unknown): Promise<void> {
  await destroyWorkingInstances(deps, id);
  const current = await getGolden(deps.redis, golden);
  if (current && !isUnderWay(current.state)) return;
  await deps.engine.removeGolden(golden);
  if (!current) return;
  await moveGolden(deps.redis, golden, 'failed', { problem: describeFailure(reason), steps: await stepTimes(deps.redis, id) });
}

function describeResult({ id, number, sizeBytes, pagesBytes, timingsMs }: Golden): Record<string, unknown> {
  return {
    golden: id,
    number,
    coldStartMs: timingsMs.coldStart,
    coldStartCpuMs: timingsMs.coldStartCpu,
    checkpointMs: timingsMs.checkpoint,
    restoreMs: timingsMs.restore,
    goldenBytes: sizeBytes,
    pagesBytes,
  };
}
