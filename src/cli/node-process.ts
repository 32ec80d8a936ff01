import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ProcessMessage } from '#src/platform/parent-process.ts';
import { type Standing, setStanding } from '#src/platform/standing.ts';
import { CommandError } from './command.ts';
import type { RunningProcess } from './supervisor.ts';
import { watchPulse } from './watch-pulse.ts';

export interface NodeProcessSpec {
  readonly name: string;
  /** Absolute path of the module to run. */
  readonly module: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From SIGTERM to SIGKILL. */
  readonly stopDeadlineMs: number;
  /** From the last sign of life to SIGKILL. */
  readonly silenceLimitMs: number;
  readonly standing: Standing;
  /** A locked descriptor that the process shares, so that the lock lasts until it has ended too. */
  readonly lockFd?: number;
}

/** Far above what garbage collection or a busy machine takes from an event loop. */
export const silenceLimitMs = 15_000;

export interface NodeProcess extends RunningProcess {
  /** As the process told it. */
  readonly url: string | undefined;
}

const readyDeadlineMs = 60_000;

/**
 * Runs a module of ours in a process of its own, its log on our stderr. Answers once it told that it is ready; from then on it is killed
 * when it is silent for too long. Throws CommandError when it can not start, in its own words where it told them.
 */
export async function startNodeProcess(spec: NodeProcessSpec, signal: AbortSignal): Promise<NodeProcess> {
  const child = spawn(process.execPath, [spec.module], {
    env: { ...spec.env },
    stdio: ['ignore', 2, 2, 'ipc', ...(spec.lockFd === undefined ? [] : [spec.lockFd])],
    detached: true, // Ctrl-C in a terminal is for `thaw up`, which ends its processes in order
  });
  const exited = waitForExit(child);
  const stop = () => stopChild(child, exited, spec.stopDeadlineMs);
  const told = await Promise.race([waitForMessage(child, AbortSignal.any([signal, AbortSignal.timeout(readyDeadlineMs)])), exited]);
  if (typeof told === 'string' || child.pid === undefined) {
    throw new CommandError(`the ${spec.name} process ${told} before it was ready`, 'Its log is above.');
  }
  if (told === undefined) {
    await stop();
    signal.throwIfAborted();
    throw new CommandError(`the ${spec.name} process was not ready within ${readyDeadlineMs} ms`, 'Its log is above.');
  }
  if ('failed' in told) {
    await stop();
    throw new CommandError(`the ${spec.name} process could not start: ${told.failed.message}`, told.failed.fix);
  }
  setStanding(child.pid, spec.standing);
  const ended = killWhenSilent(child, exited, spec.silenceLimitMs);
  return { pid: child.pid, url: 'url' in told ? told.url : undefined, waitForExit: () => ended, stop };
}

/** Answers how it ended. */
async function killWhenSilent(child: ChildProcess, exited: Promise<string>, silenceLimitMs: number): Promise<string> {
  let isSilent = false;
  const stopWatching = watchPulse(child, silenceLimitMs, () => {
    isSilent = true;
    child.kill('SIGKILL');
  });
  const how = await exited;
  stopWatching();
  return isSilent ? `hung: it was killed after ${silenceLimitMs} ms without a sign of life` : how;
}

/** Undefined when the signal came first. */
async function waitForMessage(child: ChildProcess, signal: AbortSignal): Promise<ProcessMessage | undefined> {
  try {
    const [message] = await once(child, 'message', { signal });
    return ProcessMessage.parse(message);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** At its 'close': then what it told last has been read. */
function waitForExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started (${error.message})`));
    child.once('close', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
  });
}

async function stopChild(child: ChildProcess, exited: Promise<string>, deadlineMs: number): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  await exited;
  clearTimeout(killer);
}
