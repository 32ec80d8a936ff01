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
