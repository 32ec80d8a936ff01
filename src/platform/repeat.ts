import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

export interface RepeatDeps {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'error'>;
}

/**
 * Runs a task again and again, `everyMs` after its last run ended, until stopped. A run that fails is logged with `name`, and
 * the next one tries again. `stop` answers when the run under way has ended.
 */
export function repeat(deps: RepeatDeps, name: string, everyMs: number, task: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await task().catch((err: unknown) => deps.log.error({ err }, `${name} failed; it is tried again in ${everyMs} ms`));
      await deps.clock.sleep(everyMs, stopping.signal).catch(() => {}); // woken by stop
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
