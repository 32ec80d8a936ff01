import type { Engine, StartOptions } from '#src/engine/engine.ts';
import { warmUp } from '#src/goldens/warm-up.ts';
import { moveInstance } from '#src/instances/store.ts';
import { type ReadyDeps, waitUntilReady } from '#src/instances/wait-until-ready.ts';
import type { RunStep } from '#src/operations/run-operation.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type TemplateSpec, workloadOf } from '#src/templates/template.ts';
import { settlePrimer } from './settle-primer.ts';

export interface PrimerDeps extends ReadyDeps {
  readonly redis: Redis;
  readonly engine: ReadyDeps['engine'] & Pick<Engine, 'start' | 'stats' | 'callHook'>;
}

/** What a cold start of the template costs. */
export interface ColdStart {
  /** Until the app was ready (ms), the fetching of its image left out. */
  readonly coldStart: number;
  /** CPU time until then (ms). */
  readonly coldStartCpu: number;
}

/** Starts a recorded primer and makes of it what clones shall begin as: ready, its caches warm, told by its hook, and ready for long enough. */
export async function preparePrimer(
  deps: PrimerDeps,
  primer: InstanceId,
  spec: TemplateSpec,
  step: RunStep,
  options: StartOptions = {},
): Promise<ColdStart> {
  const { redis, engine } = deps;
  const started = await step('start', async (stop) => {
    const startedAt = performance.now();
    const { timingsMs, ...endpoint } = await engine.start(workloadOf(spec), primer, stop, options);
    await moveInstance(redis, primer, { to: 'preparing', address: endpoint.address });
    // Fetching an image is no part of a cold start: the next one would find it.
    return { endpoint: { id: primer, ...endpoint }, tookMs: elapsedMs(startedAt) - (timingsMs.image ?? 0) };
  });
  const readyMs = await step('ready', (stop) => waitUntilReady(deps, started.endpoint, spec.ready, { role: 'primer', signal: stop }));
  const { cpuMs: coldStartCpu } = await engine.stats(primer);
  if (spec.warmup.length > 0) await step('warmup', (stop) => warmUp(started.endpoint, spec.warmup, stop));
  if (spec.hooks?.beforeCheckpoint) await step('before-checkpoint', (stop) => engine.callHook(primer, 'beforeCheckpoint', stop));
  const { settleMs = 0 } = spec.capture ?? {};
  if (settleMs > 0) await step('settle', (stop) => settlePrimer(deps, started.endpoint, spec, settleMs, stop));
  return { coldStart: Math.round(started.tookMs + readyMs), coldStartCpu };
}
