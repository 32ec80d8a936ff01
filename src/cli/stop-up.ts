import type { Clock } from '#src/platform/clock.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { findEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { signalProcess, waitUntilDead } from '#src/platform/live-process.ts';
import { CommandError } from './command.ts';
import { type DataDirLock, findOwner, lockDataDir } from './data-dir-lock.ts';

/** `thaw up` gives its processes 10 s in all. */
const stopDeadlineMs = 15_000;

export interface StoppedUp {
  /** Keeps another `thaw up` away until it is released. */
  readonly lock: DataDirLock;
  /** Whether anything ran. */
  readonly ran: boolean;
}

/** Stops the `thaw up` of this data directory, and what one that was killed left behind. Instances go on running. */
export async function stopUp(clock: Clock, paths: DataPaths): Promise<StoppedUp> {
  const owner = findOwner(paths);
  if (owner?.command === 'up') {
    signalProcess(owner, 'SIGTERM');
    if (!(await waitUntilDead(clock, owner, stopDeadlineMs))) {
      throw new CommandError(
        `\`thaw up\` (pid ${owner.pid}) still runs ${stopDeadlineMs} ms after SIGTERM`,
        `End it by kill -9 ${owner.pid}.`,
      );
    }
  }
  const lock = await lockDataDir(clock, paths, 'down');
  const survivor = await findEmbeddedRedis({ clock, paths });
  await survivor?.stop();
  return { lock, ran: owner !== undefined || survivor !== undefined };
}
