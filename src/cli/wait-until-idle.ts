import { setTimeout as delay } from 'node:timers/promises';
import type { Engine, InstanceExit } from '#src/engine/engine.ts';
import { describeExit, logTail } from '#src/instances/wait-until-ready.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';

type IdleEngine = Pick<Engine, 'stats' | 'logs' | 'onExit'>;

const lookEveryMs = 500;
const restLooks = 4;
/** Of one core. */
const idleShare = 0.05;
/** The engine tells an exit within this time; the statistics may end before. */
const exitToldWithinMs = 1000;

/**
 * For an app that nobody can ask: it counts as ready once it has used less than 5 % of a core for two seconds. Throws app_not_ready, or
 * app_exited with its exit code.
 */
export async function waitUntilIdle(engine: IdleEngine, id: InstanceId, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const exited = Promise.withResolvers<InstanceExit>();
  const unsubscribe = engine.onExit((exit) => {
    if (exit.id === id) exited.resolve(exit);
  });
  const decided = new AbortController();
  try {
    const stop = AbortSignal.any([signal, decided.signal]);
    const outcome = await Promise.race([watchRest(engine, id, timeoutMs, stop), exited.promise]);
    if (outcome === 'rests') return;
    const told = outcome === 'gone' ? await Promise.race([exited.promise, delay(exitToldWithinMs, undefined, { signal: stop })]) : outcome;
    const how = told === undefined ? '' : ` ${describeExit(told)}`;
    throw new ThawError('app_exited', `the app ended${how} before it was ready; ${await logTail(engine, id)}`, {
      fix: 'Check the command, its environment and --user.',
    });
  } finally {
    unsubscribe();
    decided.abort();
  }
}

/** `gone`: it has no statistics any more. */
async function watchRest(engine: IdleEngine, id: InstanceId, timeoutMs: number, signal: AbortSignal): Promise<'rests' | 'gone'> {
  const startedAt = performance.now();
  let before = await readCpuMs(engine, id);
  for (let restedLooks = 0; restedLooks < restLooks; ) {
    if (performance.now() - startedAt > timeoutMs) {
      throw new ThawError('app_not_ready', `the app was still busy after ${timeoutMs} ms`, {
        fix: 'Give --port, so that it is asked instead, or a longer --timeout.',
      });
    }
    await delay(lookEveryMs, undefined, { signal });
    const now = await readCpuMs(engine, id);
    if (before === undefined || now === undefined) return 'gone';
    restedLooks = now - before < lookEveryMs * idleShare ? restedLooks + 1 : 0;
    before = now;
  }
  return 'rests';
}

async function readCpuMs(engine: IdleEngine, id: InstanceId): Promise<number | undefined> {
  try {
    return (await engine.stats(id)).cpuMs;
  } catch {
    return undefined;
  }
}
