import type { Metrics } from '#src/platform/metrics.ts';
import type { RequestTrace } from '#src/platform/tracing.ts';
import type { Receipt } from './claim.ts';

export interface TimingsDeps {
  readonly metrics: Pick<Metrics, 'claimPhaseSeconds'>;
  readonly trace: RequestTrace | undefined;
}

/**
 * Tells the metrics, and the request's trace if it has one, what the parts of a claim took that was just had, as its receipt measured them.
 * `startedAt` (of performance.now()) is when the request came; now is when the outcome was recorded.
 */
export function recordTimings({ metrics, trace }: TimingsDeps, startedAt: number, { path, timingsMs }: Receipt): void {
  const { wait, restore, bind, hook, total } = timingsMs;
  for (const [phase, ms] of Object.entries({ wait, restore, bind, hook })) {
    if (ms > 0) metrics.claimPhaseSeconds.observe({ path, phase }, ms / 1000);
  }
  if (trace === undefined) return;
  const boundAt = startedAt + total;
  trace.addPart('reserve', startedAt, startedAt + wait, { 'thaw.path': path });
  trace.addPart('bind', boundAt - hook - bind, boundAt - hook);
  if (hook > 0) trace.addPart('hook', boundAt - hook, boundAt);
  trace.addPart('activate', boundAt, performance.now());
}
