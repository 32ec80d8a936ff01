import { readFileSync } from 'node:fs';

/** Another id after a restart of the machine: nothing of before runs any more. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
