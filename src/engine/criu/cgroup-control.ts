import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroup } from './cgroup-host.ts';

/** Writes one file of a group. Optional: what an older kernel may lack or refuse. */
export function writeControl(
  cgroup: Cgroup,
  controller: string,
  file: string,
  value: string,
  need: 'required' | 'optional' = 'required',
): void {
  const path = controlFile(cgroup, controller, file);
  if (path === undefined) return; // a controller the host does not have limits nothing; doctor says so
  try {
    writeFileSync(path, value);
  } catch (error) {
    if (need === 'required') throw error;
  }
}

/** '' where the host has no such controller or file. */
export function readControl(cgroup: Cgroup, controller: string, file: string): string {
  const path = controlFile(cgroup, controller, file);
  return path === undefined ? '' : readOptional(path);
}

export function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function controlFile(cgroup: Cgroup, controller: string, file: string): string | undefined {
  const hierarchy = cgroup.host.hierarchies.find(({ names }) => names.includes(controller));
  return hierarchy && join(hierarchy.mount + cgroup.path, file);
}
