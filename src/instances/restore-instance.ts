import type { Engine, RestoredInstance } from '#src/engine/engine.ts';
import type { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { describeFailure } from '#src/platform/errors.ts';
import type { Failure } from '#src/platform/failure.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { type Instance, type InstancePort, type InstanceState, isLive, type TimingsMs } from './instance.ts';
import { reachedAt } from './probe.ts';
import { getInstance, moveInstance } from './store.ts';
import { waitUntilReady } from './wait-until-ready.ts';

/** What restoring must know of goldens, which are a room above. */
export interface GoldenSource {
  /** `digest`: of the golden's files on that node, where it is known. Throws golden_not_ready for a pool's clone of one that is not proven (law 4). */
  cloneSpec(clone: RestoredClone): Promise<Pick<Workload, 'ports' | 'hooks'> & { ready: ReadyProbe; digest?: string | undefined }>;
  /** A restore of it failed on the node, and not for want of capacity. */
  failed(clone: RestoredClone, problem: Failure): Promise<void>;
  /** A restore worked; `total` is from the start of the job until the clone was ready. */
  restored(clone: RestoredClone, timingsMs: TimingsMs & { readonly total: number }): Promise<void>;
}

export interface RestoreDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'restore' | 'callHook' | 'destroy' | 'exec' | 'list' | 'logs' | 'onExit'>;
  readonly clock: Clock;
  readonly goldens: GoldenSource;
}

interface RestoredClone extends Pick<Instance, 'pool' | 'node'> {
  readonly golden: GoldenId;
}

/** Without it, a pool that wants more than the node has would be refused and planned again hundreds of times a second. */
const capacityPauseMs = 1000;

/**
 * Makes a recorded clone warm. On failure its record is `failed`, nothing of it is left, and the reason is thrown; when the
 * signal ends it, the record stays for the next run. Repeating it: one that is warm or held is left as it is, one half-way
 * is finished, and of one that is gone the remains are destroyed.
 */
export async function restoreInstance(deps: RestoreDeps, id: InstanceId, signal: AbortSignal): Promise<void> {
  const instance = await getInstance(deps.redis, id);
  if (!instance || !isLive(instance.state)) return deps.engine.destroy(id);
  if (instance.state !== 'restoring' && instance.state !== 'preparing') return;
  if (instance.golden === undefined) throw new Error(`instance ${id} is ${instance.state} but names no golden`);
  try {
    await makeWarm(deps, instance, instance.golden, signal);
  } catch (error) {
    if (!signal.aborted) await giveUp(deps, instance, instance.golden, error);
    throw error;
  }
}

async function makeWarm(deps: RestoreDeps, { id, createdAt, pool, node }: Instance, golden: GoldenId, signal: AbortSignal): Promise<void> {
  const { redis, engine, goldens } = deps;
  const startedAt = performance.now();
  const queue = Math.max(0, (await redisTimeMs(redis)) - createdAt);
  const spec = await goldens.cloneSpec({ golden, pool, node });
  const restored = await engine.restore(golden, id, signal, spec.digest);
  const prepared = await moveInstance(redis, id, { to: 'preparing', address: restored.address });
  if (!prepared.moved && prepared.before !== 'preparing') return leaveOrDestroy(deps, id, prepared.before);

  const hook = spec.hooks?.afterRestore === undefined ? {} : { hook: await callAfterRestore(engine, id, signal) };
  // After the hook: what it did must have left the app ready.
  const ready = await waitUntilReady(deps, { id, ...restored }, spec.ready, { role: 'clone', signal });
  const timingsMs = { queue, ...restored.timingsMs, ...hook, ready, total: elapsedMs(startedAt) };
  const warmed = await moveInstance(redis, id, { to: 'warm', ports: portsOf(id, spec.ports, restored), timingsMs });
  if (!warmed.moved) return leaveOrDestroy(deps, id, warmed.before);
  await goldens.restored({ golden, pool, node }, timingsMs);
}

/** Nobody's secrets are there yet. Answers how long it took (ms). */
async function callAfterRestore(engine: Pick<Engine, 'callHook'>, id: InstanceId, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  await engine.callHook(id, 'afterRestore', signal);
  return elapsedMs(startedAt);
}

/** Something else moved it meanwhile: another run of this job made it warm, or it was released and its destroy job may be over. */
export async function leaveOrDestroy(
  { engine }: { readonly engine: Pick<Engine, 'destroy'> },
  id: InstanceId,
  state: InstanceState | undefined,
): Promise<void> {
  if (state === undefined || state === 'releasing' || !isLive(state)) await engine.destroy(id);
}

async function giveUp(deps: RestoreDeps, { id, pool, node }: Instance, golden: GoldenId, error: unknown): Promise<void> {
  const { redis, engine, clock, goldens } = deps;
  const state = (await getInstance(redis, id))?.state;
  if (state !== 'restoring' && state !== 'preparing') return leaveOrDestroy(deps, id, state);
  const problem = describeFailure(error);
  if (problem.class === 'capacity') await clock.sleep(capacityPauseMs);
  else await goldens.failed({ golden, pool, node }, problem); // before the move: the planner that hears of it must see the count
  await moveInstance(redis, id, { to: 'failed', from: ['restoring', 'preparing'], problem });
  await engine.destroy(id);
}

export function portsOf(id: InstanceId, ports: Workload['ports'], restored: RestoredInstance): InstancePort[] {
  return ports.map(({ name, port, protocol }) => ({ name, port, protocol, addressPort: reachedAt({ id, ...restored }, port) }));
}
