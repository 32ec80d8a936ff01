import type { Engine, InstanceExit } from '#src/engine/engine.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { type Instance, isInTheMaking, isLive } from './instance.ts';
import { type LossDeps, loseInstance } from './lose-instance.ts';
import { getInstance } from './store.ts';
import { describeExit, logTail } from './wait-until-ready.ts';

export interface ExitDeps extends LossDeps {
  readonly engine: Pick<Engine, 'destroy' | 'logs'>;
}

/**
 * An instance ended by itself: its claim is lost, its record failed, its remains destroyed, its place filled again.
 * One in the making or being destroyed is left to its job, which notices by itself. Can be repeated.
 */
export async function recordExit(deps: ExitDeps, exit: InstanceExit): Promise<void> {
  const instance = await getInstance(deps.redis, exit.id);
  if (!instance || !isLive(instance.state)) return deps.engine.destroy(exit.id);
  if (isInTheMaking(instance.state) || instance.state === 'releasing') return;
  const { exitCode, oomKilled, evicted } = exit;
  const reason = oomKilled ? 'oom' : evicted === undefined ? 'exited' : 'node_lost';
  await loseInstance(deps, exit.id, describeFailure(await exitError(deps, instance, exit)), { reason, exitCode });
}

/** What a claimed instance said may hold its tenant's secrets and stays out of the record (law 8). */
async function exitError({ engine }: ExitDeps, { id, state, golden }: Instance, exit: InstanceExit): Promise<ThawError> {
  const said = state === 'warm' ? `; ${await logTail(engine, id)}` : '';
  return new ThawError('clone_exited', `${state} instance ${id} of ${golden ?? 'no golden'} ended by itself ${describeExit(exit)}${said}`, {
    fix: exit.oomKilled ? "Raise the template's resources.memoryBytes and capture a new golden." : "See the app's log for why it ended.",
  });
}
