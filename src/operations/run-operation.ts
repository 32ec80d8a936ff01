import { elapsedMs } from '#src/platform/clock.ts';
import { describeFailure, isThawError } from '#src/platform/errors.ts';
import type { OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { cancelledError } from './operation.ts';
import { beginOperation, endOperation, finishStep, getOperation, startStep } from './store.ts';

/** One named part of an operation, whose time is kept. The signal is aborted when the operation is cancelled or the worker stops. */
export type RunStep = <T>(name: string, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

const cancelPollMs = 500;

/**
 * Runs an operation to its end and records it: the result that `work` answers, or its failure, or that it was cancelled.
 * False, and nothing done, for one that has ended. `work` cleans up after itself and rethrows; a second run begins it afresh.
 * When the worker stops in the middle the operation stays `running` for the next run, and the reason is thrown.
 */
export async function runOperation(
  redis: Redis,
  id: OperationId,
  signal: AbortSignal,
  work: (step: RunStep) => Promise<Record<string, unknown>>,
): Promise<boolean> {
  if ((await beginOperation(redis, id)) !== 'running') return false;
  const cancelled = watchCancel(redis, id);
  const either = AbortSignal.any([signal, cancelled.signal]);
  try {
    const result = await work((name, body) => runStep(redis, id, name, () => body(either)));
    await endOperation(redis, id, { state: 'succeeded', result });
  } catch (error) {
    if (signal.aborted && !cancelled.signal.aborted) throw error;
    const problem = describeFailure(cancelled.signal.aborted ? cancelled.signal.reason : error);
    await endOperation(redis, id, { state: 'failed', problem });
    if (!cancelled.signal.aborted && !isThawError(error)) throw error; // a bug is told to the operation and to the log of the worker
  } finally {
    cancelled.stop();
  }
  return true;
}

async function runStep<T>(redis: Redis, id: OperationId, name: string, work: () => Promise<T>): Promise<T> {
  const state = await startStep(redis, id, name);
  if (state !== 'running') throw cancelledError(id);
  const startedAt = performance.now();
  try {
    const result = await work();
    await finishStep(redis, id, { name, state: 'succeeded', tookMs: elapsedMs(startedAt) });
    return result;
  } catch (error) {
    await finishStep(redis, id, { name, state: 'failed', tookMs: elapsedMs(startedAt) });
    throw error;
  }
}

/** A step can take minutes: a cancel must reach into it. */
function watchCancel(redis: Redis, id: OperationId): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const timer = setInterval(async () => {
    const operation = await getOperation(redis, id).catch(() => undefined); // Redis away: the next look tells
    if (operation?.state === 'cancelled') controller.abort(cancelledError(id));
  }, cancelPollMs);
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}
