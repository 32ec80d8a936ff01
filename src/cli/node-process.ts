import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ReadyMessage } from '#src/platform/parent-process.ts';
import { type Standing, setStanding } from '#src/platform/standing.ts';
import { CommandError } from './command.ts';
import type { RunningProcess } from './supervisor.ts';

export interface NodeProcessSpec {
  readonly name: string;
  /** Absolute path of the module to run. */
  readonly module: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From SIGTERM to SIGKILL. */
  readonly stopDeadlineMs: number;
  readonly standing: Standing;
  /** A locked descriptor that the process shares, so that the lock lasts until it has ended too. */
  readonly lockFd?: number;
}

export interface NodeProcess extends RunningProcess {
  /** As the process told it. */
  readonly url: string | undefined;
}

const readyDeadlineMs = 60_000;

/** Runs a module of ours in a process of its own, its log on our stderr. Answers once it told that it is ready. */
export async function startNodeProcess(spec: NodeProcessSpec, signal: AbortSignal): Promise<NodeProcess> {
  const child = spawn(process.execPath, [spec.module], {
    env: { ...spec.env },
    stdio: ['ignore', 2, 2, 'ipc', ...(spec.lockFd === undefined ? [] : [spec.lockFd])],
    detached: true, // Ctrl-C in a terminal is for `thaw up`, which ends its processes in order
  });
  const exited = waitForExit(child);
  const stop = () => stopChild(child, exited, spec.stopDeadlineMs);
  const ready = await Promise.race([waitForReady(child, AbortSignal.any([signal, AbortSignal.timeout(readyDeadlineMs)])), exited]);
  if (typeof ready === 'string' || child.pid === undefined) {
    throw new CommandError(`the ${spec.name} process ${ready} before it was ready`, 'Its log is above.');
  }
  if (ready === undefined) {
    await stop();
    signal.throwIfAborted();
    throw new CommandError(`the ${spec.name} process was not ready within ${readyDeadlineMs} ms`, 'Its log is above.');
  }
  setStanding(child.pid, spec.standing);
  return { pid: child.pid, url: ready.url, waitForExit: () => exited, stop };
}

/** Undefined when the signal came first. */
async function waitForReady(child: ChildProcess, signal: AbortSignal): Promise<ReadyMessage | undefined> {
  try {
    const [message] = await once(child, 'message', { signal });
    return ReadyMessage.parse(message);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function waitForExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started (${error.message})`));
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
  });
}

async function stopChild(child: ChildProcess, exited: Promise<string>, deadlineMs: number): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  await exited;
  clearTimeout(killer);
}
