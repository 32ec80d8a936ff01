import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Resources } from '#src/engine/workload.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { readControl, readOptional, writeControl } from './cgroup-control.ts';
import { type Cgroup, cgroupDirectories } from './cgroup-host.ts';

/** Makes the group everywhere. Idempotent. On v2 the controllers are handed down from the root; on v1 an empty cpuset gets its parent's. */
export function makeCgroup(cgroup: Cgroup): void {
  for (const { mount, version, names } of cgroup.host.hierarchies) {
    const directory = mount + cgroup.path;
    mkdirSync(directory, { recursive: true });
    if (version === 1 && names.includes('cpuset')) inheritCpuset(mount, directory);
    if (version === 2 && cgroup.host.version === 'v2') delegateControllers(mount, dirname(directory));
  }
}

const cpuPeriodUs = 100_000;

/** CPU time per period for a number of cores; the kernel takes no less than 1 ms. */
export function cpuQuotaUs(cpus: number): number {
  return Math.max(1000, Math.round(cpus * cpuPeriodUs));
}

/** What holds from a clone's first instant: memory, and runc's own device rules, because a restore does not pass through runc. */
export function limitBeforeRestore(cgroup: Cgroup, resources: Resources): void {
  if (cgroup.host.version === 'v2') {
    writeControl(cgroup, '', 'memory.max', String(resources.memoryBytes));
    writeControl(cgroup, '', 'memory.swap.max', '0', 'optional');
    return; // v2 device rules are a BPF program; clones rely on having no CAP_MKNOD and only safe nodes in /dev
  }
  writeControl(cgroup, 'memory', 'memory.limit_in_bytes', String(resources.memoryBytes));
  writeControl(cgroup, 'memory', 'memory.memsw.limit_in_bytes', String(resources.memoryBytes), 'optional');
  writeControl(cgroup, 'devices', 'devices.deny', 'a');
  for (const rule of allowedDevices) writeControl(cgroup, 'devices', 'devices.allow', rule);
}

/** What holds once a clone runs: CRIU itself works in the group and must be neither throttled nor short of pids. */
export function limitAfterRestore(cgroup: Cgroup, resources: Resources): void {
  const quotaUs = cpuQuotaUs(resources.cpus);
  if (cgroup.host.version === 'v2') {
    writeControl(cgroup, '', 'cpu.max', `${quotaUs} ${cpuPeriodUs}`);
    writeControl(cgroup, '', 'pids.max', String(resources.pids));
    return;
  }
  writeControl(cgroup, 'cpu', 'cpu.cfs_period_us', String(cpuPeriodUs));
  writeControl(cgroup, 'cpu', 'cpu.cfs_quota_us', String(quotaUs));
  writeControl(cgroup, 'pids', 'pids.max', String(resources.pids));
}

/** null, zero, full, tty, random, urandom, ptys; mknod of any, which needs a capability instances do not have. As runc allows by default. */
const allowedDevices = [
  'c *:* m',
  'b *:* m',
  'c 1:3 rwm',
  'c 1:5 rwm',
  'c 1:7 rwm',
  'c 1:8 rwm',
  'c 1:9 rwm',
  'c 5:0 rwm',
  'c 5:2 rwm',
  'c 136:* rwm',
];

/** Bounds all instances together, so that Redis, the API and the host keep what is reserved for them. */
export function limitAllInstances(cgroup: Cgroup, memoryBytes: number): void {
  if (cgroup.host.version === 'v2') {
    writeControl(cgroup, '', 'memory.max', String(memoryBytes), 'optional');
    writeControl(cgroup, '', 'cpu.weight', '50', 'optional');
  } else {
    writeControl(cgroup, 'memory', 'memory.use_hierarchy', '1', 'optional');
    writeControl(cgroup, 'memory', 'memory.limit_in_bytes', String(memoryBytes), 'optional');
    writeControl(cgroup, 'cpu', 'cpu.shares', '512', 'optional');
  }
}

/** Freezes or thaws all tasks: 0.3 ms and 1.1 ms (FACTS). */
export async function setFrozen(cgroup: Cgroup, frozen: boolean): Promise<void> {
  if (cgroup.host.version === 'v2') {
    writeControl(cgroup, '', 'cgroup.freeze', frozen ? '1' : '0');
    await waitFor(() => readControl(cgroup, '', 'cgroup.events').includes(`frozen ${frozen ? 1 : 0}`), 5000);
    return;
  }
  const wanted = frozen ? 'FROZEN' : 'THAWED';
  await waitFor(() => {
    writeControl(cgroup, 'freezer', 'freezer.state', wanted); // v1 may stay FREEZING until it is asked again
    return readControl(cgroup, 'freezer', 'freezer.state').trim() === wanted;
  }, 5000);
}

export function isFrozen(cgroup: Cgroup): boolean {
  return cgroup.host.version === 'v2'
    ? readControl(cgroup, '', 'cgroup.freeze').trim() === '1'
    : readControl(cgroup, 'freezer', 'freezer.state').trim().startsWith('FR');
}

export function readUsage(cgroup: Cgroup): { memoryBytes: number; cpuMs: number; pids: number; oomKills: number } {
  const v2 = cgroup.host.version === 'v2';
  const cpuMs = v2
    ? Number(/^usage_usec (\d+)/m.exec(readControl(cgroup, '', 'cpu.stat'))?.[1] ?? 0) / 1000
    : Number(readControl(cgroup, 'cpuacct', 'cpuacct.usage')) / 1e6;
  const oom = v2 ? readControl(cgroup, '', 'memory.events') : readControl(cgroup, 'memory', 'memory.oom_control');
  return {
    memoryBytes: Number(v2 ? readControl(cgroup, '', 'memory.current') : readControl(cgroup, 'memory', 'memory.usage_in_bytes')),
    cpuMs: Math.round(cpuMs),
    pids: Number(v2 ? readControl(cgroup, '', 'pids.current') : readControl(cgroup, 'pids', 'pids.current')),
    oomKills: Number(/^oom_kill (\d+)/m.exec(oom)?.[1] ?? 0),
  };
}

/** Pids in the group and below, in the host's numbering. */
export function readProcesses(cgroup: Cgroup): number[] {
  const directories = cgroupDirectories(cgroup).flatMap(withChildren);
  const pids = directories.flatMap((directory) => readOptional(join(directory, 'cgroup.procs')).split('\n'));
  return [...new Set(pids.filter((pid) => pid !== '' && pid !== '0').map(Number))];
}

/** Kills every process of the group, frozen ones too, and waits until none is left. */
export async function killCgroup(cgroup: Cgroup): Promise<void> {
  if (readProcesses(cgroup).length === 0) return;
  if (isFrozen(cgroup)) await setFrozen(cgroup, false); // v1: a frozen task does not die
  await waitFor(() => {
    const pids = readProcesses(cgroup);
    for (const pid of pids) killIfAlive(pid);
    return pids.length === 0;
  }, 10_000);
}

/** Removes the group and those below in every hierarchy; no process may be left in them. Idempotent. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  for (const directory of cgroupDirectories(cgroup).flatMap(withChildren)) {
    // A group can stay busy for a moment after its last process was reaped.
    await waitFor(() => tryRemove(directory), 5000);
  }
}

/** A group below one that is there; without limits of its own, and on v2 without controllers, which a group with processes must not hand down. */
export function makeSubgroup(cgroup: Cgroup): void {
  for (const directory of cgroupDirectories(cgroup)) mkdirSync(directory);
}

/** Removes a subgroup; its processes, if any, go on in the group above. */
export async function dissolveCgroup(cgroup: Cgroup, parent: Cgroup): Promise<void> {
  for (const { mount } of cgroup.host.hierarchies) {
    await waitFor(() => {
      for (const pid of readProcesses(cgroup)) moveIfAlive(pid, mount + parent.path);
      return tryRemove(mount + cgroup.path);
    }, 1000);
  }
}

/** Names of the groups directly below, over all hierarchies. */
export function listChildCgroups(cgroup: Cgroup): string[] {
  const names = cgroupDirectories(cgroup).flatMap((directory) =>
    existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : [],
  );
  return [...new Set(names.filter((entry) => entry.isDirectory()).map((entry) => entry.name))];
}

function inheritCpuset(mount: string, directory: string): void {
  const parent = dirname(directory);
  if (parent.length > mount.length) inheritCpuset(mount, parent);
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFileSync(join(directory, file), 'utf8').trim() === '')
      writeFileSync(join(directory, file), readFileSync(join(parent, file), 'utf8'));
  }
}

function delegateControllers(mount: string, directory: string): void {
  if (directory.length > mount.length) delegateControllers(mount, dirname(directory));
  const available = readOptional(join(directory, 'cgroup.controllers')).trim().split(' ');
  const wanted = ['cpu', 'memory', 'pids'].filter((controller) => available.includes(controller));
  if (wanted.length > 0) writeFileSync(join(directory, 'cgroup.subtree_control'), wanted.map((controller) => `+${controller}`).join(' '));
}

/** A group and those below it, the deepest first. */
function withChildren(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const children = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...children.flatMap(({ name }) => withChildren(join(directory, name))), directory];
}

function tryRemove(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return true;
    if (isErrnoError(error, 'EBUSY')) return false;
    throw error;
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrnoError(error, 'ESRCH')) throw error;
  }
}

function moveIfAlive(pid: number, directory: string): void {
  try {
    writeFileSync(join(directory, 'cgroup.procs'), String(pid));
  } catch (error) {
    if (!isErrnoError(error, 'ESRCH')) throw error;
  }
}

async function waitFor(isDone: () => boolean, timeoutMs: number): Promise<void> {
  const startedAt = performance.now();
  for (let waitMs = 1; !isDone(); waitMs = Math.min(waitMs * 2, 20)) {
    if (performance.now() - startedAt > timeoutMs) throw new Error(`a cgroup did not settle within ${timeoutMs} ms`);
    await delay(waitMs);
  }
}
