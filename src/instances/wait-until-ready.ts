import type { Engine, InstanceExit } from '#src/engine/engine.ts';
import type { ReadyProbe } from '#src/engine/workload.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import { describeProbe, type InstanceEndpoint, tryProbe } from './probe.ts';

export interface ReadyDeps {
  readonly engine: Pick<Engine, 'exec' | 'list' | 'logs' | 'onExit'>;
  readonly clock: Clock;
}

export interface ReadyOptions {
  /** A clone was ready when it was dumped: it is asked at once and often, and given less time. */
  readonly role: 'primer' | 'clone' | 'cold';
  readonly signal: AbortSignal;
}

/** Between tries of a clone, before its probe's own interval begins. */
const eagerDelaysMs = [1, 2, 5, 10, 20];
const cloneLimitMs = 30_000;
const tryLimitMs = 2000;
const lookEveryMs = 1000;
const logTailBytes = 2000;

/**
 * Asks an instance until its app is ready; answers how long that took (ms).
 * Throws app_exited or app_not_ready for a primer, clone_exited or clone_not_ready for a clone, with the end of its log.
 */
export async function waitUntilReady(deps: ReadyDeps, target: InstanceEndpoint, probe: ReadyProbe, options: ReadyOptions): Promise<number> {
  const startedAt = performance.now();
  const ended = new AbortController();
  let exit: InstanceExit | undefined;
  const unsubscribe = deps.engine.onExit((seen) => {
    if (seen.id !== target.id) return;
    exit = seen;
    ended.abort();
  });
  try {
    const failure = await askUntilReady(deps, target, probe, { ...options, ended });
    if (failure === undefined) return elapsedMs(startedAt);
    options.signal.throwIfAborted();
    throw await (ended.signal.aborted ? exitedError(deps, target, options, exit) : notReady(deps, target, probe, options, failure));
  } finally {
    unsubscribe();
  }
}

/** `with exit code 137 after it ran out of memory` */
export function describeExit({ exitCode, oomKilled, evicted }: InstanceExit): string {
  const why = evicted === undefined ? '' : `: the node ended it, because ${evicted}`;
  return `with exit code ${exitCode}${oomKilled ? ' after it ran out of memory' : why}`;
}

/** The end of what an instance said, for messages; empty when there is nothing to read. */
export async function logTail(engine: Pick<Engine, 'logs'>, id: InstanceEndpoint['id']): Promise<string> {
  const text = await engine.logs(id, logTailBytes).catch(() => '');
  return text.trim() === '' ? 'it said nothing' : `its log ends with: ${text.trim()}`;
}

/** Undefined when ready, else why the last try failed. */
async function askUntilReady(
  { engine, clock }: ReadyDeps,
  target: InstanceEndpoint,
  probe: ReadyProbe,
  { role, signal, ended }: ReadyOptions & { ended: AbortController },
): Promise<string | undefined> {
  const stop = AbortSignal.any([signal, ended.signal]);
  const deadline = clock.nowMs() + limitMs(probe, role);
  let lookAt = clock.nowMs();
  let before: string | undefined;
  for (let tries = 0; ; tries++) {
    const leftMs = Math.max(1, deadline - clock.nowMs());
    const failure = await tryProbe(engine, target, probe, { timeoutMs: Math.min(tryLimitMs, leftMs), signal: stop });
    if (failure === undefined) return undefined;
    if (clock.nowMs() >= lookAt) {
      if (await hasEnded(engine, target)) ended.abort();
      lookAt = clock.nowMs() + lookEveryMs;
    }
    const delayMs = (role === 'clone' ? eagerDelaysMs[tries] : undefined) ?? probe.intervalMs;
    const restMs = deadline - clock.nowMs();
    if (stop.aborted) return failure;
    if (restMs <= 0) return before ?? failure; // the last try was cut short by the deadline: the one before tells more
    before = failure;
    await clock.sleep(Math.min(delayMs, restMs), stop).catch(() => {}); // cut short by `stop`, which the next turn looks at
    if (stop.aborted) return failure;
  }
}

function limitMs(probe: ReadyProbe, role: ReadyOptions['role']): number {
  return role === 'clone' ? Math.min(cloneLimitMs, probe.timeoutMs) : probe.timeoutMs;
}

/** For one that ended before anybody listened, or that was destroyed. */
async function hasEnded(engine: Pick<Engine, 'list'>, { id }: InstanceEndpoint): Promise<boolean> {
  const found = (await engine.list()).find((instance) => instance.id === id);
  return found === undefined || found.state === 'exited';
}

async function exitedError(
  { engine }: ReadyDeps,
  { id }: InstanceEndpoint,
  { role }: ReadyOptions,
  exit: InstanceExit | undefined,
): Promise<ThawError> {
  const message = `${role} ${id} ended by itself${exit ? ` ${describeExit(exit)}` : ''} before it was ready; ${await logTail(engine, id)}`;
  if (role === 'clone') return new ThawError('clone_exited', message, { fix: 'Capture a new golden; its log tells what the app missed.' });
  const fix = exit?.oomKilled
    ? "Raise the template's resources.memoryBytes."
    : "Correct the template's command, env or image; the log tells what the app missed.";
  return new ThawError('app_exited', message, { fix });
}

async function notReady(
  { engine }: ReadyDeps,
  { id }: InstanceEndpoint,
  probe: ReadyProbe,
  { role }: ReadyOptions,
  failure: string,
): Promise<ThawError> {
  const asked = `${describeProbe(probe)} within ${limitMs(probe, role)} ms; the last try: ${failure}`;
  const message = `${role} ${id} did not become ready by ${asked}; ${await logTail(engine, id)}`;
  if (role === 'clone') return new ThawError('clone_not_ready', message, { fix: 'Capture a new golden, or see what the app waits for.' });
  return new ThawError('app_not_ready', message, { fix: 'Check `ready` of the template (port, path) or raise its timeoutMs.' });
}
