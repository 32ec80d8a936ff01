import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrnoError } from '#src/platform/errno.ts';

const openTimeoutMs = 10_000;

/** Passes a script to the shell that waits at a FIFO. Never blocks a thread: a FIFO without a reader is asked again. */
export async function passGate(gate: string, script: string, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    try {
      await using fifo = await open(gate, constants.O_WRONLY | constants.O_NONBLOCK);
      await fifo.writeFile(script);
      return;
    } catch (error) {
      // Not made yet, or made and not being read yet.
      if (!isErrnoError(error, 'ENOENT', 'ENXIO')) throw error;
      if (performance.now() - startedAt > openTimeoutMs)
        throw new Error(`nobody waits at ${gate} after ${openTimeoutMs} ms`, { cause: error });
    }
    await delay(1);
  }
}
