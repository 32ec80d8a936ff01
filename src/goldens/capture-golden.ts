import type { Engine } from '#src/engine/engine.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import { moveInstance } from '#src/instances/store.ts';
import { waitUntilReady } from '#src/instances/wait-until-ready.ts';
import { type RunStep, runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import { workloadOf } from '#src/templates/template.ts';
import { setAlias } from './aliases.ts';
import { type Golden, isUnderWay } from './golden.ts';
import { CaptureParams } from './request-capture.ts';
import { getGolden, moveGolden, requireGolden } from './store.ts';
import { proveGolden, type VerifyDeps } from './verify-golden.ts';
import { warmUp } from './warm-up.ts';
import { destroyWorkingInstances, recordWorkingInstance, workingInstances } from './working-instances.ts';

export interface CaptureDeps extends VerifyDeps {
  readonly engine: VerifyDeps['engine'] & Pick<Engine, 'start' | 'stats' | 'checkpoint' | 'removeGolden'>;
}

/** The alias that pools follow unless told otherwise. */
const promotedAlias = 'stable';

/**
 * The worker's part of a capture: a primer is started, made ready, warmed up, told by its hook and dumped; the golden is proven with two clones
 * and promoted. On failure or cancel the golden is `failed` and nothing of it is left. A second run destroys what the first
 * left and starts over, or only promotes a golden that is ready already.
 */
export async function captureGolden(deps: CaptureDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  const golden = await requireGolden(deps.redis, GoldenId.parse(operation.target));
  const { promote } = CaptureParams.parse(operation.params);
  const ran = await runOperation(deps.redis, id, signal, async (step) => {
    if (golden.state !== 'ready') await makeGolden(deps, golden, id, step, signal);
    if (promote) await step('promote', () => setAlias(deps.redis, golden.template, promotedAlias, golden.number));
    return { ...describeResult(await requireGolden(deps.redis, golden.id)), promoted: promote };
  });
  if (!ran) await discardGolden(deps, golden.id, id, new ThawError('cancelled', `operation ${id} ended before the capture began`));
}

async function makeGolden(deps: CaptureDeps, golden: Golden, id: OperationId, step: RunStep, workerStops: AbortSignal): Promise<void> {
  try {
    await destroyWorkingInstances(deps, id);
    await deps.engine.removeGolden(golden.id);
    await moveGolden(deps.redis, golden.id, 'capturing');
    await dumpPrimer(deps, golden, id, step);
    const { restoreMs } = await step('verify', (stop) => proveGolden(deps, golden, id, stop));
    const { timingsMs } = await requireGolden(deps.redis, golden.id);
    await moveGolden(deps.redis, golden.id, 'ready', { timingsMs: { ...timingsMs, restore: Math.min(...restoreMs) } });
  } catch (error) {
    if (workerStops.aborted) await destroyWorkingInstances(deps, id);
    else await discardGolden(deps, golden.id, id, error);
    throw error;
  }
}

async function dumpPrimer(deps: CaptureDeps, golden: Golden, id: OperationId, step: RunStep): Promise<void> {
  const { redis, engine } = deps;
  const { primer } = workingInstances(id);
  await recordWorkingInstance(redis, golden, primer, 'primer');
  const started = await step('start', async (stop) => {
    const startedAt = performance.now();
    const { timingsMs, ...endpoint } = await engine.start(workloadOf(golden.spec), primer, stop);
    await moveInstance(redis, primer, { to: 'preparing', address: endpoint.address });
    // Fetching an image is no part of a cold start: the next one would find it.
    return { endpoint: { id: primer, ...endpoint }, tookMs: elapsedMs(startedAt) - (timingsMs.image ?? 0) };
  });
  const readyMs = await step('ready', (stop) =>
    waitUntilReady(deps, started.endpoint, golden.spec.ready, { role: 'primer', signal: stop }),
  );
  const coldStart = Math.round(started.tookMs + readyMs);
  const { cpuMs: coldStartCpu } = await engine.stats(primer);
  if (golden.spec.warmup.length > 0) await step('warmup', (stop) => warmUp(started.endpoint, golden.spec.warmup, stop));
  if (golden.spec.hooks?.beforeCheckpoint) await step('before-checkpoint', (stop) => engine.callHook(primer, 'beforeCheckpoint', stop));
  await step('checkpoint', async (stop) => {
    await moveGolden(redis, golden.id, 'sealing');
    const { sizeBytes, pagesBytes, digest, fingerprint, timingsMs } = await engine.checkpoint(primer, golden.id, stop);
    await destroyInstance(deps, primer);
    const { total: checkpoint = 0, ...phases } = timingsMs;
    const all = { coldStart, coldStartCpu, ...phases, checkpoint };
    await moveGolden(redis, golden.id, 'verifying', { sizeBytes, pagesBytes, digest, fingerprint, timingsMs: all });
  });
}

/** Nothing of a golden that did not come about is left, and its template can be captured again. */
async function discardGolden(deps: CaptureDeps, golden: GoldenId, id: OperationId, reason: unknown): Promise<void> {
  await destroyWorkingInstances(deps, id);
  const current = await getGolden(deps.redis, golden);
  if (current && (current.state === 'ready' || current.state === 'retired')) return;
  await deps.engine.removeGolden(golden);
  if (current && isUnderWay(current.state)) await moveGolden(deps.redis, golden, 'failed', { problem: describeFailure(reason) });
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
