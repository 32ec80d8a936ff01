import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '#src/platform/clock.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { findLiveProcess, signalProcess, waitUntilDead } from '#src/platform/live-process.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { killCgroup, removeCgroup } from './cgroups.ts';
import { keepEndedLog } from './ended-logs.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { type InstanceLayout, instanceLayout } from './instance-layout.ts';
import { unmountRootfs } from './overlay.ts';

/**
 * Ends an instance and removes all that belongs to it, in whatever state a crash left it. Idempotent.
 * The directory goes last: as long as it exists, reconcile knows that something may be left.
 */
export async function destroyInstance(deps: CriuDeps, id: InstanceId): Promise<void> {
  const layout = instanceLayout(deps.paths, id);
  const cgroup = instanceCgroup(deps, id);
  await endConmon(layout, () => killCgroup(cgroup));
  await killCgroup(cgroup); // what a restore under way forked meanwhile
  await keepEndedLog(deps.paths, layout, id);
  await unmountRootfs(layout);
  await deps.sandboxes.remove(id);
  await removeCgroup(cgroup);
  rmSync(dirname(layout.runcState), { recursive: true, force: true });
  rmSync(layout.bound, { force: true });
  rmSync(layout.exitFile, { force: true });
  await removeTree(layout.directory);
}

/** conmon ends by itself once its container has; a moment later it is ended. It must be gone before its files are. */
export async function endConmon(layout: InstanceLayout, endContainer: () => Promise<void>): Promise<void> {
  const pid = readPid(layout.conmonPidFile);
  const conmon = pid === undefined ? undefined : findLiveProcess(pid);
  const isOurs = conmon !== undefined && isConmonOf(conmon.pid, layout);
  await endContainer();
  if (!isOurs) return;
  if (!(await waitUntilDead(systemClock, conmon, 2000))) signalProcess(conmon, 'SIGKILL');
}

function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8').trim());
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

/** A pid file can outlive its process: after a reboot the number may be anybody's. */
function isConmonOf(pid: number, layout: InstanceLayout): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv.some((arg) => arg.endsWith('conmon')) && argv.includes(layout.directory);
  } catch {
    return false;
  }
}
