import { readFileSync, statfsSync } from 'node:fs';

const capSysResource = 24; // linux/capability.h
const tmpfsMagic = 0x01021994; // linux/magic.h

export function hasSysResource(status = readFileSync('/proc/self/status', 'utf8')): boolean {
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(capSysResource)) & 1n) === 1n;
}

export function isTmpfs(path: string): boolean {
  return statfsSync(path).type === tmpfsMagic;
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
