import type { Clock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';

/** The time a real engine would take for `what`. Throws cancelled when the signal aborts it. */
export async function simulateDelay(clock: Clock, ms: number, what: string, signal?: AbortSignal): Promise<void> {
  try {
    signal?.throwIfAborted();
    if (ms > 0) await clock.sleep(ms, signal);
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    throw new ThawError('cancelled', `${what} was aborted`, { cause });
  }
}
