import { randomUUID } from 'node:crypto';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';
import { messageOf } from '#src/platform/errors.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';

export async function checkCgroups(): Promise<Finding[]> {
  const mounts = readCgroupMounts();
  const unified = mounts.find(({ version }) => version === 2);
  const controllers = unified ? await readText(`${unified.mountPoint}/cgroup.controllers`) : undefined;
  const isUnified = mounts.every(({ version }) => version === 2);
  const refusals = await Promise.all(mounts.map(({ mountPoint }) => tryGroup(mountPoint, isUnified ? 'memory' : undefined)));
  return [
    judgeCgroupMode(mounts),
    judgeControllers(
      mounts,
      controllers ?? '',
      refusals.filter((refusal) => refusal !== undefined),
    ),
  ];
}

export interface CgroupMount {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** The super options, among them a version 1 hierarchy's controllers. */
  readonly options: readonly string[];
}

/** @param mountinfo another text than that of this process */
export function readCgroupMounts(mountinfo?: string): CgroupMount[] {
  return readMounts(mountinfo).flatMap(({ mountPoint, type, options }) => {
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    return [{ mountPoint, version: type === 'cgroup2' ? 2 : 1, options } as const];
  });
}

/**
 * Does what the engine will do: hands the controller down from the root, where that is needed, and makes a group, which goes away again.
 * The controller stays handed down: taken back, it would be missing in the groups of a Thaw that starts at this moment.
 * Answers what the kernel refused, in words.
 */
export async function tryGroup(mountPoint: string, controller?: string): Promise<string | undefined> {
  const group = join(mountPoint, `thaw-doctor-${randomUUID()}`);
  try {
    if (controller !== undefined) await writeFile(join(mountPoint, 'cgroup.subtree_control'), `+${controller}`);
    await mkdir(group);
    await rmdir(group);
    return undefined;
  } catch (error) {
    if (isErrnoError(error, 'EBUSY')) return `${mountPoint} can not hand ${controller} down, for processes sit in it`;
    return `${mountPoint} refuses (${messageOf(error)})`;
  }
}

export function judgeCgroupMode(mounts: readonly CgroupMount[]): Finding {
  const first = mounts.filter(({ version }) => version === 1).length;
  const hasSecond = mounts.some(({ version }) => version === 2);
  const condition: Condition = {
    id: 'cgroup_mode',
    title: 'Cgroup version',
    cost: 'every restore joins each version 1 hierarchy by itself, 2 to 4 ms each; crun refuses hybrid hosts (Thaw uses runc)',
    fix: 'Boot with systemd.unified_cgroup_hierarchy=1 to have version 2 alone.',
  };
  if (!hasSecond && first === 0) {
    return fail(
      { ...condition, cost: 'no limits and no isolation', fix: 'Mount cgroup2 on /sys/fs/cgroup.' },
      'no cgroup file system is mounted',
    );
  }
  if (first === 0) return pass(condition, 'v2');
  return warn(condition, hasSecond ? `hybrid: ${first} version 1 hierarchies beside version 2` : `v1: ${first} hierarchies`);
}

/**
 * @param unifiedControllers the text of version 2's cgroup.controllers
 * @param refusals what the kernel refused in trials, in words
 */
export function judgeControllers(mounts: readonly CgroupMount[], unifiedControllers: string, refusals: readonly string[]): Finding {
  const condition: Condition = {
    id: 'cgroup_controllers',
    title: 'Cgroup controllers',
    cost: 'memory, CPU and process limits of instances can not be kept, and instances can not be frozen',
    fix: 'Enable the controllers at boot (cgroup_enable=memory), and give Thaw the cgroup file system writable; in a container run it with --cgroupns=host, or move what sits in its cgroup root to a group below first.',
  };
  const isUnified = mounts.every(({ version }) => version === 2);
  const there = new Set([...unifiedControllers.split(/\s+/), ...mounts.flatMap(({ options, version }) => (version === 1 ? options : []))]);
  const needed = isUnified ? ['memory', 'cpu', 'pids'] : ['memory', 'cpu', 'pids', 'freezer', 'devices'];
  const missing = needed.filter((name) => !there.has(name));
  if (missing.length > 0) return fail(condition, `without ${missing.join(', ')}`);
  if (refusals.length > 0) return fail(condition, refusals.join('; '));
  return pass(condition, needed.join(', '));
}
