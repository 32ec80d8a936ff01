import type { Engine } from '#src/engine/engine.ts';
import type { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { describeFailure } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { type Instance, isLive } from './instance.ts';
import { leaveOrDestroy, portsOf } from './restore-instance.ts';
import { getInstance, moveInstance } from './store.ts';
import { waitUntilReady } from './wait-until-ready.ts';

/** What a cold start must know of rooms above. */
export interface ColdStarts {
  /** Of a template as it says today. */
  spec(template: string): Promise<{ readonly workload: Workload; readonly ready: ReadyProbe }>;
  /** An instance of the pool is warm: somebody waits for it. */
  started(pool: string): Promise<void>;
}

export interface StartColdDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'start' | 'destroy' | 'exec' | 'list' | 'logs' | 'onExit'>;
  readonly clock: Clock;
  readonly coldStarts: ColdStarts;
}

/** An app that can not be started is not started again at once, however many wait for it. */
const failurePauseMs = 5000;

/**
 * Starts a recorded instance from its template's image and makes it warm. On failure its record is `failed`, nothing of it is left, and the
 * reason is thrown; when the signal ends it, the record stays for the next run. Repeating it: one that is warm or held is left as it is, one
 * half-way is finished, and of one that is gone the remains are destroyed.
 */
export async function startCold(deps: StartColdDeps, id: InstanceId, signal: AbortSignal): Promise<void> {
  const instance = await getInstance(deps.redis, id);
  if (!instance || !isLive(instance.state)) return deps.engine.destroy(id);
  if (instance.state !== 'starting' && instance.state !== 'preparing') return;
  try {
    await makeWarm(deps, instance, signal);
  } catch (error) {
    if (!signal.aborted) await giveUp(deps, id, error);
    throw error;
  }
}

async function makeWarm(deps: StartColdDeps, { id, createdAt, pool, template }: Instance, signal: AbortSignal): Promise<void> {
  const { redis, engine, coldStarts } = deps;
  const startedAt = performance.now();
  const queue = Math.max(0, (await redisTimeMs(redis)) - createdAt);
  const spec = await coldStarts.spec(template);
  const started = await engine.start(spec.workload, id, signal);
  const prepared = await moveInstance(redis, id, { to: 'preparing', address: started.address });
  if (!prepared.moved && prepared.before !== 'preparing') return leaveOrDestroy(deps, id, prepared.before);

  const ready = await waitUntilReady(deps, { id, ...started }, spec.ready, { role: 'cold', signal });
  const timingsMs = { queue, ...started.timingsMs, ready, total: elapsedMs(startedAt) };
  const warmed = await moveInstance(redis, id, { to: 'warm', ports: portsOf(id, spec.workload.ports, started), timingsMs });
  if (!warmed.moved) return leaveOrDestroy(deps, id, warmed.before);
  await coldStarts.started(pool);
}

async function giveUp(deps: StartColdDeps, id: InstanceId, error: unknown): Promise<void> {
  const { redis, engine, clock } = deps;
  const state = (await getInstance(redis, id))?.state;
  if (state !== 'starting' && state !== 'preparing') return leaveOrDestroy(deps, id, state);
  await clock.sleep(failurePauseMs); // the record stays meanwhile, so that the planner plans no other in its place
  await moveInstance(redis, id, { to: 'failed', from: ['starting', 'preparing'], problem: describeFailure(error) });
  await engine.destroy(id);
}
