import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { CommandError } from './command.ts';
import { isLeftover, listStrangers } from './data-dir-contents.ts';

/**
 * Removes the data directory; one that is a mount point stays, empty. Answers whether it is gone. What is mounted below it, or was not put
 * there by Thaw, stays and is told by a CommandError.
 */
export function purgeData(paths: DataPaths): boolean {
  const mounts = readMounts().flatMap(({ mountPoint }) => (mountPoint.startsWith(`${paths.dataDir}/`) ? [mountPoint] : []));
  if (mounts.length > 0) {
    throw new CommandError(`nothing was removed: ${mounts.join(', ')} is mounted below ${paths.dataDir}`, 'Unmount it, then run it again.');
  }
  const { dataDir, ...entries } = paths;
  for (const entry of Object.values(entries)) {
    for (const path of [entry, `${entry}.new`]) rmSync(path, { recursive: true, force: true });
  }
  for (const name of readdirSync(dataDir).filter(isLeftover)) rmSync(join(dataDir, name), { recursive: true, force: true });
  const strangers = listStrangers(paths);
  if (strangers.length > 0) {
    throw new CommandError(`${dataDir} holds what is not Thaw's: ${strangers.join(', ')}`, 'All else was removed; look at these yourself.');
  }
  return removeDirectory(dataDir);
}

function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrnoError(error, 'EBUSY', 'ENOTEMPTY', 'EACCES', 'EPERM')) return false;
    throw error;
  }
}
