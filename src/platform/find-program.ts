import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where programs are looked for: systemd's default PATH, so that a service finds what a shell finds. */
export const programDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The absolute path of the first executable of that name, or undefined. */
export function findProgram(name: string, directories: readonly string[] = programDirectories): string | undefined {
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
