import type { Clock } from '#src/platform/clock.ts';
import type { Logger } from '#src/platform/log.ts';

export interface RunningProcess {
  readonly pid: number;
  /** Answers once it has ended, by whatever cause: how, in words. */
  waitForExit(): Promise<string>;
  /** Ends it and waits. */
  stop(): Promise<void>;
}

export interface ProcessSpec {
  readonly name: string;
  /** Answers when the process does its work; fails when it ends before that. `signal`: no longer wanted. */
  start(signal: AbortSignal): Promise<RunningProcess>;
}

export interface Supervisor {
  /** Ends the processes, the last started first. */
  stop(): Promise<void>;
}

interface SupervisorDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

const firstDelayMs = 100;
const longestDelayMs = 5000;
/** After this long a process counts as well again, and its next death as the first. */
const wellAfterMs = 10_000;

/**
 * Starts the processes one after the other and keeps each running: the first restart is immediate, then 0.1 s doubled up to 5 s.
 * A process that can not start the first time fails the whole, and those before it are stopped.
 */
export async function superviseProcesses(deps: SupervisorDeps, specs: readonly ProcessSpec[], signal: AbortSignal): Promise<Supervisor> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const stopOne of stops.toReversed()) await stopOne();
  };
  try {
    for (const spec of specs) {
      signal.throwIfAborted();
      const first = await spec.start(signal);
      const unwanted = new AbortController();
      const ended = keepRunning(deps, spec, first, unwanted.signal);
      stops.push(() => {
        unwanted.abort();
        return ended;
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** Answers when the process is no longer wanted and has ended. */
async function keepRunning({ clock, log }: SupervisorDeps, spec: ProcessSpec, first: RunningProcess, unwanted: AbortSignal): Promise<void> {
  const toBeStopped = new Promise<undefined>((resolve) => unwanted.addEventListener('abort', () => resolve(undefined), { once: true }));
  let running: RunningProcess | undefined = first;
  let startedAt = clock.nowMs();
  let deaths = 0;
  while (true) {
    if (running) {
      const how = await Promise.race([running.waitForExit(), toBeStopped]);
      if (how === undefined) return running.stop();
      if (clock.nowMs() - startedAt >= wellAfterMs) deaths = 0;
      log.error({ name: spec.name, pid: running.pid, how }, 'a process ended; starting it again');
    }
    await clock.sleep(restartDelayMs(deaths++), unwanted).catch(() => {}); // cut short when it is no longer wanted
    if (unwanted.aborted) return;
    startedAt = clock.nowMs();
    running = await spec.start(unwanted).catch((error: unknown) => {
      log.error({ name: spec.name, err: error }, 'a process could not be started; trying again');
      return undefined;
    });
  }
}

/** `deaths`: how many came before, none of them long ago. */
function restartDelayMs(deaths: number): number {
  return deaths === 0 ? 0 : Math.min(firstDelayMs * 2 ** (deaths - 1), longestDelayMs);
}
