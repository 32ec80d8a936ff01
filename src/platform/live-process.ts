import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Clock } from './clock.ts';
import { isErrnoError } from './errno.ts';

/** A process named so that a reused pid is not taken for it. */
export const LiveProcess = z.object({
  pid: z.number().int().min(1),
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  startTicks: z.number().int(),
});
export type LiveProcess = z.infer<typeof LiveProcess>;

/** Undefined when no such process runs. A zombie does not run. */
export function findLiveProcess(pid: number): LiveProcess | undefined {
  const fields = readStat(pid);
  // Counted from behind the command name, which may hold spaces and brackets: first the state, twentieth the start time.
  const state = fields?.[0];
  if (state === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTicks: Number(fields?.[19]) };
}

export function isAlive(process: LiveProcess): boolean {
  return findLiveProcess(process.pid)?.startTicks === process.startTicks;
}

/** Answers false when the process, which need not be a child of ours, still runs after `timeoutMs`. */
export async function waitUntilDead(clock: Pick<Clock, 'sleep'>, process: LiveProcess, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(process)) {
    if (performance.now() >= deadline) return false;
    await clock.sleep(20);
  }
  return true;
}

/** Signals the process if it still runs. */
export function signalProcess(target: LiveProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (isAlive(target)) process.kill(target.pid, signal);
  } catch (error) {
    if (!isErrnoError(error, 'ESRCH')) throw error;
  }
}

function readStat(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
