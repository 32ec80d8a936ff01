import { describeProbe, type InstanceEndpoint, tryProbe } from '#src/instances/probe.ts';
import { type ReadyDeps, waitUntilReady } from '#src/instances/wait-until-ready.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { TemplateSpec } from '#src/templates/template.ts';

const tryLimitMs = 2000;

/**
 * Asks a primer again and again until it has answered for `settleMs` (ms) without a miss; a miss begins the time anew. Throws app_not_ready once
 * misses have cost more than the probe's timeoutMs, and what waitUntilReady throws.
 */
export async function settlePrimer(
  deps: ReadyDeps,
  primer: InstanceEndpoint,
  { ready }: Pick<TemplateSpec, 'ready'>,
  settleMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = deps;
  const deadline = clock.nowMs() + settleMs + ready.timeoutMs;
  for (;;) {
    const timeoutMs = Math.max(1, deadline - clock.nowMs());
    await waitUntilReady(deps, primer, { ...ready, timeoutMs }, { role: 'primer', signal });
    const miss = await untilMiss(deps, primer, ready, settleMs, signal);
    if (miss === undefined) return;
    if (clock.nowMs() + settleMs <= deadline) continue;
    throw new ThawError('app_not_ready', `primer ${primer.id} did not stay ready for ${settleMs} ms: ${describeProbe(ready)}: ${miss}`, {
      fix: 'Look in its log for what it still does after it is ready, or lower `capture.settleMs` of the template.',
    });
  }
}

/** Undefined when there was none for `holdMs`. */
async function untilMiss(
  { engine, clock }: ReadyDeps,
  primer: InstanceEndpoint,
  probe: TemplateSpec['ready'],
  holdMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const until = clock.nowMs() + holdMs;
  for (;;) {
    const miss = await tryProbe(engine, primer, probe, { timeoutMs: tryLimitMs, signal });
    signal.throwIfAborted();
    const restMs = until - clock.nowMs();
    if (miss !== undefined || restMs <= 0) return miss;
    await clock.sleep(Math.min(probe.intervalMs, restMs), signal).catch(() => {}); // the reason of an abort tells more
    signal.throwIfAborted();
  }
}
