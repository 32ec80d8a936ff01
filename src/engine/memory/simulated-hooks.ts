import { type HookName, hookFailed } from '#src/engine/hooks.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { MemoryFaults } from './faults.ts';
import { simulateDelay } from './simulated-delay.ts';
import { runSimulated } from './simulated-exec.ts';
import { type SimulatedInstance, shownBinding } from './simulated-instance.ts';

interface HookDeps {
  readonly clock: Clock;
  readonly faults: MemoryFaults;
}

/**
 * Calls a hook that the workload has. The simulated app answers 200 on every path, whether or not the engine listens; `?status=` makes it
 * answer otherwise and `?sleepMs=` later, as the tests' real app does. Throws hook_failed.
 */
export async function callSimulatedHook(
  { clock, faults }: HookDeps,
  instance: SimulatedInstance,
  name: HookName,
  signal?: AbortSignal,
): Promise<void> {
  const hook = instance.app.workload.hooks?.[name];
  if (!hook) return;
  faults.strike('hook', instance.id);
  const limit = { timeoutMs: hook.timeoutMs, ...(signal === undefined ? {} : { signal }) };
  const failure = hook.exec
    ? await runHook(clock, instance, hook.exec.command, limit)
    : hook.http && (await sendHook(clock, instance, name, hook.http.path, limit));
  if (failure !== undefined) throw hookFailed(instance.id, name, hook, failure);
}

/** Answers how long it took (ms): 0 where there is no bind hook, or it has succeeded before. */
export async function callSimulatedBindHook(deps: HookDeps, instance: SimulatedInstance): Promise<number> {
  if (!instance.app.workload.hooks?.bind || instance.hooked) return 0;
  const startedAt = performance.now();
  await callSimulatedHook(deps, instance, 'bind');
  instance.hooked = true;
  return elapsedMs(startedAt);
}

interface Limit {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

async function sendHook(
  clock: Clock,
  instance: SimulatedInstance,
  name: HookName,
  path: string,
  { timeoutMs, signal }: Limit,
): Promise<string | undefined> {
  const query = new URLSearchParams(path.split('?', 2)[1]);
  const { app } = instance;
  app.hookCalls = [...app.hookCalls, { path: path.split('?', 1)[0] ?? '', isTokenRight: true, body: bodyOf(instance, name) }];
  if (query.get('reseed') === '1' && instance.identity) app.id = instance.identity.seed;
  const sleepMs = Number(query.get('sleepMs'));
  await simulateDelay(clock, Math.min(sleepMs, timeoutMs), `the ${name} hook of ${instance.id}`, signal);
  const status = Number(query.get('status') ?? 200);
  if (sleepMs > timeoutMs) return `exceeded ${timeoutMs} ms`;
  return status >= 200 && status < 300 ? undefined : `was answered with ${status}`;
}

function bodyOf(instance: SimulatedInstance, name: HookName): unknown {
  if (name === 'bind') return shownBinding(instance);
  return name === 'afterRestore' ? instance.identity : { instance: instance.id };
}

async function runHook(clock: Clock, instance: SimulatedInstance, command: readonly string[], limit: Limit): Promise<string | undefined> {
  try {
    const { exitCode } = await runSimulated(clock, instance, command, limit);
    return exitCode === 0 ? undefined : `ended with exit code ${exitCode}`;
  } catch (error) {
    if (isThawError(error, 'subprocess_failed')) return `exceeded ${limit.timeoutMs} ms`;
    throw error;
  }
}
