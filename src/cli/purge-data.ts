import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import type { DataPaths } from '#src/platform/config.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { CommandError } from './command.ts';

/** Removes the data directory. What is mounted below it, or was not put there by Thaw, stays and is told by a CommandError. */
export function purgeData(paths: DataPaths): void {
  const mounts = readMounts().flatMap(({ mountPoint }) => (mountPoint.startsWith(`${paths.dataDir}/`) ? [mountPoint] : []));
  if (mounts.length > 0) {
    throw new CommandError(`nothing was removed: ${mounts.join(', ')} is mounted below ${paths.dataDir}`, 'Unmount it, then run it again.');
  }
  const { dataDir, ...entries } = paths;
  for (const entry of Object.values(entries)) rmSync(entry, { recursive: true, force: true });
  const strangers = readdirSync(dataDir);
  if (strangers.length > 0) {
    throw new CommandError(`${dataDir} holds what is not Thaw's: ${strangers.join(', ')}`, 'All else was removed; look at these yourself.');
  }
  rmdirSync(dataDir);
}
