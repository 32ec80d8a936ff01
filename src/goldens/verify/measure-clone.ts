import type { Engine } from '#src/engine/engine.ts';
import type { CloneFigures } from '#src/goldens/evidence.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { recordWorkingInstance } from '#src/goldens/working-instances.ts';
import { type RestoreDeps, restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { logTail } from '#src/instances/wait-until-ready.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';

export interface MeasureDeps extends RestoreDeps {
  readonly engine: RestoreDeps['engine'] & Pick<Engine, 'stats'>;
}

/** Restores a clone as a pool's is restored, its afterRestore hook included, and measures it. It lives on. Throws what the restore throws. */
export async function measureClone(deps: MeasureDeps, golden: Golden, id: InstanceId, signal: AbortSignal): Promise<CloneFigures> {
  await recordWorkingInstance(deps.redis, golden, id, 'clone');
  await restoreInstance(deps, id, signal);
  const timingsMs = (await getInstance(deps.redis, id))?.timingsMs ?? {};
  return {
    restoreMs: timingsMs.total ?? 0,
    ...(timingsMs.hook === undefined ? {} : { hookMs: timingsMs.hook }),
    readyMs: timingsMs.ready ?? 0,
    memoryBytes: await memoryOf(deps.engine, id),
  };
}

/** Being ready is not enough for a clone that ends by itself right after. Throws clone_exited. */
export async function requireRunning(engine: Pick<Engine, 'list' | 'logs'>, clones: readonly InstanceId[]): Promise<void> {
  const running = (await engine.list()).filter(({ state }) => state === 'running').map(({ id }) => id);
  const ended = clones.find((id) => !running.includes(id));
  if (ended !== undefined) throw await exited(engine, ended);
}

async function memoryOf(engine: MeasureDeps['engine'], id: InstanceId): Promise<number> {
  try {
    return (await engine.stats(id)).memoryBytes;
  } catch (error) {
    throw isThawError(error, 'instance_not_found') ? await exited(engine, id) : error;
  }
}

async function exited(engine: Pick<Engine, 'logs'>, id: InstanceId): Promise<ThawError> {
  return new ThawError('clone_exited', `clone ${id} ended by itself although it had been ready; ${await logTail(engine, id)}`, {
    fix: 'Capture a new golden; its log tells what the app missed.',
  });
}
