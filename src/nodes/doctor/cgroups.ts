import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';

export async function checkCgroups(): Promise<Finding[]> {
  const mounts = parseCgroupMounts((await readText('/proc/self/mountinfo')) ?? '');
  const unified = mounts.find(({ version }) => version === 2);
  const controllers = unified ? await readText(`${unified.mountPoint}/cgroup.controllers`) : undefined;
  const refused: string[] = [];
  for (const { mountPoint } of mounts) {
    await access(mountPoint, constants.W_OK).catch(() => refused.push(mountPoint));
  }
  return [judgeCgroupMode(mounts), judgeControllers(mounts, controllers ?? '', refused)];
}

export interface CgroupMount {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** The super options, among them a version 1 hierarchy's controllers. */
  readonly options: readonly string[];
}

/** Reads /proc/self/mountinfo: mount point before the ` - `, type and super options behind it. */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    const mountPoint = before.split(' ')[4];
    if (mountPoint === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [{ mountPoint, version: type === 'cgroup2' ? 2 : 1, options: options.split(',') } as const];
  });
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
 * @param refused mount points that this process may not write to
 */
export function judgeControllers(mounts: readonly CgroupMount[], unifiedControllers: string, refused: readonly string[]): Finding {
  const condition: Condition = {
    id: 'cgroup_controllers',
    title: 'Cgroup controllers',
    cost: 'memory, CPU and process limits of instances can not be kept, and instances can not be frozen',
    fix: 'Enable the controllers at boot (cgroup_enable=memory), and give Thaw the cgroup file system writable.',
  };
  const isUnified = mounts.every(({ version }) => version === 2);
  const there = new Set([...unifiedControllers.split(/\s+/), ...mounts.flatMap(({ options, version }) => (version === 1 ? options : []))]);
  const needed = isUnified ? ['memory', 'cpu', 'pids'] : ['memory', 'cpu', 'pids', 'freezer', 'devices'];
  const missing = needed.filter((name) => !there.has(name));
  if (missing.length > 0) return fail(condition, `without ${missing.join(', ')}`);
  if (refused.length > 0) return fail(condition, `${refused.join(', ')} may not be written to`);
  return pass(condition, needed.join(', '));
}
