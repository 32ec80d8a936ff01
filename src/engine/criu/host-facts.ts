import { readFileSync, statfsSync } from 'node:fs';
import { isErrnoError } from '#src/platform/errno.ts';

const capSysResource = 24; // linux/capability.h
const tmpfsMagic = 0x01021994; // linux/magic.h

export function hasSysResource(status = readFileSync('/proc/self/status', 'utf8')): boolean {
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capSysResource)) & 1n) === 1n;
}

export function isTmpfs(path: string): boolean {
  return statfsSync(path).type === tmpfsMagic;
}

/** What the first CPU can do, sorted; `flags` on x86, `Features` on arm64. CRIU and the scheduler take all CPUs of a machine for equal too. */
export function readCpuFlags(cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')): string[] {
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  return flags.split(/\s+/).filter(Boolean).toSorted();
}

/** The kernel's security modules, or `none`; where securityfs is not mounted nobody can load a profile either. */
export function readLsm(file = '/sys/kernel/security/lsm'): string {
  try {
    return readFileSync(file, 'utf8').trim() || 'none';
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return 'none';
    throw error;
  }
}

/** Real uid and gid of a process; undefined when it is gone. */
export function readOwner(pid: number): { uid: number; gid: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
    const gid = /^Gid:\s+(\d+)/m.exec(status)?.[1];
    return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined;
  }
}
