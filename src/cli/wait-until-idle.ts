import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '#src/engine/engine.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';

const lookEveryMs = 500;
const restLooks = 4;
/** Of one core. */
const idleShare = 0.05;

/** For an app that nobody can ask: it counts as ready once it has used less than 5 % of a core for two seconds. */
export async function waitUntilIdle(
  engine: Pick<Engine, 'stats' | 'logs'>,
  id: InstanceId,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  let restedLooks = 0;
  let { cpuMs } = await look(engine, id);
  while (restedLooks < restLooks) {
    if (performance.now() - startedAt > timeoutMs) {
      throw new ThawError('app_not_ready', `the app was still busy after ${timeoutMs} ms`, {
        fix: 'Give --port, so that it is asked instead, or a longer --timeout.',
      });
    }
    await delay(lookEveryMs, undefined, { signal });
    const now = await look(engine, id);
    restedLooks = now.cpuMs - cpuMs < lookEveryMs * idleShare ? restedLooks + 1 : 0;
    cpuMs = now.cpuMs;
  }
}

async function look(engine: Pick<Engine, 'stats' | 'logs'>, id: InstanceId): Promise<{ cpuMs: number }> {
  try {
    return await engine.stats(id);
  } catch (error) {
    const log = (await engine.logs(id, 2000).catch(() => '')).trim();
    throw new ThawError('app_exited', `the app ended before it was ready; ${log ? `its log ends with: ${log}` : 'it said nothing'}`, {
      fix: 'Check the command, its environment and --user.',
      cause: error,
    });
  }
}
