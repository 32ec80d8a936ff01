import { setTimeout as delay } from 'node:timers/promises';

/** Time as a dependency: logic takes it from here, so that tests can set it. */
export interface Clock {
  nowMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
};

/** Ms since `startedAt` (of performance.now()), rounded to a hundredth: the resolution that timings are kept in. */
export function elapsedMs(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 100) / 100;
}
