import { readMounts } from '#src/platform/mountinfo.ts';

/** One mounted hierarchy. Version 2 has a single one, named ''; hybrid hosts have both kinds. */
interface Hierarchy {
  /** As runc names it in its state: `memory`, `cpu`, `name=systemd`, '' for version 2. */
  readonly names: readonly string[];
  readonly mount: string;
  readonly version: 1 | 2;
}

export interface CgroupHost {
  readonly version: 'v1' | 'v2';
  readonly hierarchies: readonly Hierarchy[];
}

/** A group of ours in every hierarchy of the host. */
export interface Cgroup {
  readonly host: CgroupHost;
  /** Below each mount, e.g. `/thaw-1a2b3c/ins-…`. */
  readonly path: string;
}

const knownControllers = /^(?:cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|net_cls|net_prio|perf_event|hugetlb|rdma|misc|name=.+)$/;

/** A host whose limits are enforced by version 1 controllers counts as v1, also when hybrid. */
export function detectCgroupHost(mounts = readMounts()): CgroupHost {
  const all = mounts.flatMap(({ mountPoint: mount, type, options }): Hierarchy[] => {
    if (type === 'cgroup2') return [{ names: [''], mount, version: 2 }];
    return type === 'cgroup' ? [{ names: options.filter((name) => knownControllers.test(name)), mount, version: 1 }] : [];
  });
  // One hierarchy however often it is mounted: Cilium does again, and CRIU for as long as it dumps.
  const hierarchies = all.filter(({ names }, at) => all.findIndex((other) => other.names.join() === names.join()) === at);
  return { version: hierarchies.some(({ names }) => names.includes('memory')) ? 'v1' : 'v2', hierarchies };
}

export function cgroupDirectories(cgroup: Cgroup): string[] {
  return cgroup.host.hierarchies.map(({ mount }) => mount + cgroup.path);
}

/** In the form of runc's state file. */
export function cgroupPathsForRunc(cgroup: Cgroup): Record<string, string> {
  return Object.fromEntries(
    cgroup.host.hierarchies.flatMap(({ names, mount }) => names.map((name) => [name, mount + cgroup.path] as const)),
  );
}
