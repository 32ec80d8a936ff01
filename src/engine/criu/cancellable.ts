import type { RunPhase } from '#src/engine/engine.ts';
import { ThawError } from '#src/platform/errors.ts';
import { withinSpace } from '#src/platform/out-of-space.ts';

/** Whatever an abort made fail, the caller hears of the abort; what a full disk or tmpfs made fail is want of capacity. */
export async function cancellable<T>(what: string, signal: AbortSignal | undefined, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    return await withinSpace(what, () => task(signal ?? new AbortController().signal));
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new ThawError('cancelled', `${what} was cancelled`, { fix: 'Ask again if it was not meant.', cause: error });
  }
}

/** The same of each phase; none begins after the abort. */
export function cancellablePhases(what: string, phase: RunPhase): RunPhase {
  return (name, work) =>
    phase(name, (given) =>
      cancellable(what, given, async (signal) => {
        signal.throwIfAborted();
        return await work(signal);
      }),
    );
}
