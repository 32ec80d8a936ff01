import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { Clock } from '#src/platform/clock.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { findLiveProcess, isAlive, LiveProcess } from '#src/platform/live-process.ts';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { CommandError } from './command.ts';

/** The right to run Thaw on a data directory. */
export interface DataDirLock {
  /** Shared with the processes of `thaw up` or `thaw worker`: the lock lasts until the last of them has ended, whatever ended them. */
  readonly fd: number;
  release(): void;
}

const Owner = LiveProcess.extend({ command: z.string() });
type Owner = z.infer<typeof Owner>;

type Paths = Pick<DataPaths, 'dataDir' | 'lock'>;

/** What a killed `thaw up` or `thaw worker` leaves behind (API and worker) ends by itself within this time. */
const waitMs = 15_000;
const conflictExitCode = 75;

/**
 * Takes the lock, at once or when the processes of one that died have ended. Throws CommandError when a live one holds it.
 * Makes the data directory if need be. `command`: on whose behalf, for those who come second.
 */
export async function lockDataDir(clock: Clock, paths: Paths, command: string): Promise<DataDirLock> {
  makeDataDir(paths.dataDir);
  const fd = openLock(paths);
  const deadline = clock.nowMs() + waitMs;
  while (!(await tryLock(fd))) {
    const owner = findOwner(paths);
    if (owner || clock.nowMs() >= deadline) {
      closeSync(fd);
      throw owner ? alreadyRuns(paths, owner) : notReleased(paths);
    }
    await clock.sleep(100);
  }
  ftruncateSync(fd);
  writeSync(fd, JSON.stringify({ ...findLiveProcess(process.pid), command }));
  return { fd, release: () => closeSync(fd) };
}

/** The `thaw` process that holds the lock now. */
export function findOwner(paths: Paths): Owner | undefined {
  const owner = Owner.safeParse(readOwner(paths)).data;
  return owner && isAlive(owner) ? owner : undefined;
}

function openLock({ lock }: Paths): number {
  try {
    return openSync(lock, 'a+', 0o600);
  } catch (error) {
    if (!isErrnoError(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    throw new CommandError(
      `${lock} can not be opened: ${error.message}`,
      'Run as root, or set THAW_DATA_DIR to a directory of yours.',
      error,
    );
  }
}

function readOwner(paths: Paths): unknown {
  try {
    return JSON.parse(readFileSync(paths.lock, 'utf8'));
  } catch {
    return undefined; // no file, or one that is being written: its owner can not be named yet
  }
}

/** Node has no flock(2). A lock belongs to the open file, which `flock` shares with us: it stays when that program has ended. */
async function tryLock(fd: number): Promise<boolean> {
  const args = ['--nonblock', '--conflict-exit-code', String(conflictExitCode), '3'];
  const flock = spawn('flock', args, { stdio: ['ignore', 'ignore', 'inherit', fd] });
  const [ending] = await once(flock, 'exit').catch((error: unknown) => [error]);
  if (ending === 0) return true;
  if (ending === conflictExitCode) return false;
  throw new CommandError(
    `the data directory could not be locked: flock ended with ${ending}`,
    'Thaw needs flock of util-linux 2.24 or newer.',
  );
}

function alreadyRuns({ dataDir }: Paths, { pid, command }: Owner): CommandError {
  return new CommandError(
    `\`thaw ${command}\` already runs on ${dataDir} (pid ${pid})`,
    `Stop it by \`${command === 'up' ? 'thaw down' : `kill ${pid}`}\`, or set THAW_DATA_DIR to another directory.`,
  );
}

function notReleased(paths: Paths): CommandError {
  return new CommandError(
    `processes of an earlier \`thaw up\` or \`thaw worker\` still hold ${paths.lock} after ${waitMs} ms`,
    `\`fuser ${paths.lock}\` names them; end them by kill.`,
  );
}
