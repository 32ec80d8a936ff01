import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';

export async function checkPrivileges(): Promise<Finding[]> {
  const status = (await readText('/proc/self/status')) ?? '';
  return [judgeRoot(status), ...judgeCapabilities(status)];
}

/** @param status the text of /proc/self/status */
export function judgeRoot(status: string): Finding {
  const condition: Condition = {
    id: 'root',
    title: 'Root',
    cost: 'no mounts, network namespaces or cgroups: no containers',
    fix: 'Run it as root (sudo), or use --engine memory to develop against Thaw without containers.',
  };
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  return uid === '0' ? pass(condition, 'uid 0') : fail(condition, `uid ${uid ?? 'unknown'}`);
}

/** Bits of linux/capability.h that the engine, runc and CRIU use. */
const neededCapabilities = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_ADMIN: 12,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27,
} as const;
const sysNice = 23;
const sysResource = 24;

export function judgeCapabilities(status: string): Finding[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: number) => (effective & (1n << BigInt(bit))) !== 0n;
  const missing = Object.entries(neededCapabilities).flatMap(([name, bit]) => (has(bit) ? [] : [name]));
  const needed: Condition = {
    id: 'capabilities',
    title: 'Capabilities',
    cost: 'containers can not be made, dumped or restored',
    fix: 'Give the process these capabilities; in a container, run it privileged.',
  };
  const resource: Condition = {
    id: 'cap_sys_resource',
    title: 'CAP_SYS_RESOURCE',
    cost: 'apps whose processes run under several uids can not be checkpointed, and rlimits can not be raised; one uid for all of an app works',
    fix: 'Run Thaw where root holds CAP_SYS_RESOURCE, or give all processes of an app one uid and gid.',
  };
  const nice: Condition = {
    id: 'cap_sys_nice',
    title: 'CAP_SYS_NICE',
    cost: 'the API and the node agent can not go before refills: claims wait behind them when processors are short',
    fix: 'Run Thaw where root holds CAP_SYS_NICE (in a container: --privileged or --cap-add SYS_NICE).',
  };
  return [
    missing.length > 0
      ? fail(needed, `without ${missing.join(', ')}`)
      : pass(needed, `all ${Object.keys(neededCapabilities).length} that are needed`),
    has(sysNice) ? pass(nice, 'yes') : warn(nice, 'no'),
    has(sysResource) ? pass(resource, 'yes') : warn(resource, 'no'),
  ];
}
