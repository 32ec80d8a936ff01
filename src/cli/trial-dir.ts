import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '#src/platform/config.ts';
import { messageOf } from '#src/platform/errors.ts';
import { findLiveProcess, isAlive } from '#src/platform/live-process.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import type { CommandContext } from './command.ts';
import { destroyInstances } from './destroy-everything.ts';

/** Where the data directory of each `thaw try` and `thaw doctor --upgrade` lies: on a disk, and root's. */
export const trialsDir = '/var/tmp';

/** A directory whose name tells the process that works in it, so that the next one knows what a killed one left. */
export function makeTrialDir(): string {
  const startTicks = findLiveProcess(process.pid)?.startTicks;
  return mkdtempSync(join(trialsDir, `thaw-try-${process.pid}-${startTicks}-`));
}

/** What is still mounted below, and was told, would be emptied with the directory. */
export function removeTrialDir({ note }: Pick<CommandContext, 'note'>, dataDir: string): void {
  const mounts = readMounts().filter(({ mountPoint }) => mountPoint.startsWith(`${dataDir}/`));
  if (mounts.length === 0) rmSync(dataDir, { recursive: true, force: true });
  else note(`${dataDir} is left: ${mounts.map(({ mountPoint }) => mountPoint).join(', ')} is still mounted`);
}

/** Ends the instances of every trial that was killed, and removes all it made on the host. What can not be removed is told. */
export async function removeDeadTrials({ note }: Pick<CommandContext, 'note'>, configOf: (dataDir: string) => Config): Promise<void> {
  for (const dataDir of findDeadTrials()) {
    note(`removing what a trial that was killed left in ${dataDir}`);
    try {
      await destroyInstances(configOf(dataDir));
      removeTrialDir({ note }, dataDir);
    } catch (error) {
      note(`${dataDir} is left: ${messageOf(error)}`);
    }
  }
}

/** Ours alone: anyone may make a directory of such a name, with records in it that say what to unmount and whom to kill. */
function findDeadTrials(): string[] {
  return readdirSync(trialsDir).flatMap((name) => {
    const [, pid, startTicks] = /^thaw-try-(\d+)-(\d+)-/.exec(name) ?? [];
    const path = join(trialsDir, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (pid === undefined || !stats?.isDirectory() || stats.uid !== process.getuid?.()) return [];
    return isAlive({ pid: Number(pid), startTicks: Number(startTicks) }) ? [] : [path];
  });
}
