import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readMounts } from '#src/platform/mountinfo.ts';
import { makeCgroupMountPoints } from './cgroup-mounts.ts';
import { limitAllInstances, makeCgroup, removeCgroup } from './cgroups.ts';
import { allInstancesCgroup, type CriuDeps, criuConfigFile, criuOptions, criuRunDirectory } from './engine-deps.ts';
import { boundDirectory, exitsDirectory, runcRoot } from './instance-layout.ts';
import { primeKdat } from './kdat.ts';
import { readMemoryInfo } from './node-reserve.ts';
import { unmount } from './overlay.ts';
import { mountPrivateTmpfs } from './tmpfs.ts';

/** Makes what all instances share: directories, our tmpfs, CRIU's options, the parent cgroup, bridge and firewall. Idempotent; safe under live instances. */
export async function setUpNode(deps: CriuDeps): Promise<void> {
  for (const directory of [deps.paths.dataDir, deps.paths.instances, deps.paths.goldens, deps.paths.logs, deps.paths.run]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  await mountPrivateTmpfs(deps.paths.run, 'thaw-run', 'noexec,size=256m');
  for (const directory of [runcRoot(deps.paths), boundDirectory(deps.paths), exitsDirectory(deps.paths), criuRunDirectory(deps)])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  makeCgroupMountPoints(deps.paths);
  writeFileSync(criuConfigFile(deps), criuOptions);
  await primeKdat(deps);
  const cgroup = allInstancesCgroup(deps);
  makeCgroup(cgroup);
  limitAllInstances(cgroup, Math.max(readMemoryInfo().totalBytes - deps.memoryReserveBytes, deps.memoryReserveBytes));
  await deps.sandboxes.setUp();
}

/** Removes what setUpNode made. Every instance must be destroyed before. */
export async function tearDownNode(deps: CriuDeps): Promise<void> {
  await deps.sandboxes.tearDown();
  await removeCgroup(allInstancesCgroup(deps));
  const ours = readMounts().filter(({ mountPoint }) => mountPoint.startsWith(`${deps.paths.dataDir}/`));
  for (const { mountPoint } of ours.reverse()) await unmount(mountPoint);
  rmSync(deps.paths.run, { recursive: true, force: true });
}
