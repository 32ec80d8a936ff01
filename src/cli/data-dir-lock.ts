import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { Clock } from '#src/platform/clock.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { findLiveProcess, isAlive, LiveProcess } from '#src/platform/live-process.ts';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { CommandError } from './command.ts';
import { listStrangers } from './data-dir-contents.ts';

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
 * Takes the lock, at once or when the processes of one that died have ended. Throws CommandError when a live one holds it, or the directory
 * is used for something else. Makes the data directory if need be. `command`: on whose behalf, for those who come second.
 */
export async function lockDataDir(clock: Clock, paths: DataPaths, command: string): Promise<DataDirLock> {
  makeDataDir(paths.dataDir);
  refuseForeignDirectory(paths);
  const deadline = clock.nowMs() + waitMs;
  while (true) {
    const fd = openLock(paths);
    if ((await tryLock(fd)) && isStillThere(fd, paths)) {
      ftruncateSync(fd);
      writeSync(fd, JSON.stringify({ ...findLiveProcess(process.pid), command }));
      return { fd, release: () => closeSync(fd) };
    }
    closeSync(fd);
    const owner = findOwner(paths);
    if (owner) throw alreadyRuns(paths, owner);
    if (clock.nowMs() >= deadline) throw notReleased(paths);
    await clock.sleep(100);
  }
}

/** The `thaw` process that holds the lock now. */
export function findOwner(paths: Paths): Owner | undefined {
  const owner = Owner.safeParse(readOwner(paths)).data;
  return owner && isAlive(owner) ? owner : undefined;
}

/** `thaw down --destroy --purge` would take what has one of our names. */
function refuseForeignDirectory(paths: DataPaths): void {
  if (existsSync(paths.lock)) return;
  const strangers = listStrangers(paths);
  if (strangers.length === 0) return;
  const some = strangers.slice(0, 3).join(', ');
  throw new CommandError(
    `${paths.dataDir} is no directory of Thaw's: it holds ${some}${strangers.length > 3 ? ` and ${strangers.length - 3} more` : ''}`,
    'Set THAW_DATA_DIR to a directory that is empty or does not exist yet.',
  );
}

/** A `thaw down --purge` removes the file while others may have it open: a lock on what is gone keeps nobody away. */
function isStillThere(fd: number, { lock }: Paths): boolean {
  return statSync(lock, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
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
  const stop = command === 'up' ? 'thaw down' : `kill ${pid}`;
  return new CommandError(
    `\`thaw ${command}\` already runs on ${dataDir} (pid ${pid})`,
    command === 'down' ? 'Wait until it has ended.' : `Stop it by \`${stop}\`, or set THAW_DATA_DIR to another directory.`,
  );
}

function notReleased(paths: Paths): CommandError {
  return new CommandError(
    `processes of an earlier \`thaw up\` or \`thaw worker\` still hold ${paths.lock} after ${waitMs} ms`,
    `\`fuser ${paths.lock}\` names them; end them by kill.`,
  );
}
