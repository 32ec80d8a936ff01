import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import type { Cgroup } from './cgroup-host.ts';
import type { ExternalMount } from './oci-spec.ts';

/** What runtimes size themselves by: heap, threads, caches. The JVM wants all of them or believes none. */
const shownControllers = ['memory', 'cpu', 'cpuacct', 'cpuset', 'pids'];

/** Read-only views of the instance's own groups where programs look for their limits; without them a JVM takes a quarter of the host's memory. */
export function cgroupMounts(cgroup: Cgroup, paths: DataPaths): ExternalMount[] {
  const destination = '/sys/fs/cgroup';
  const { version, hierarchies } = cgroup.host;
  if (version === 'v2') return hierarchies.slice(0, 1).map(({ mount }) => ({ destination, source: mount + cgroup.path }));
  const shown = hierarchies.flatMap(({ names, mount }) =>
    names.flatMap((name) => (shownControllers.includes(name) ? [{ name, mount }] : [])),
  );
  return [
    { destination, source: emptyTree(paths) },
    ...shown.map(({ name, mount }) => ({ destination: `${destination}/${name}`, source: mount + cgroup.path })),
  ];
}

/** Mount points for the controllers of version 1, shared by all instances. */
export function makeCgroupMountPoints(paths: DataPaths): void {
  for (const name of shownControllers) mkdirSync(join(emptyTree(paths), name), { recursive: true, mode: 0o755 });
}

function emptyTree(paths: DataPaths): string {
  return join(paths.run, 'cgroup');
}
