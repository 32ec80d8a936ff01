import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { messageOf, ThawError } from './errors.ts';

const largestBytes = 64 * 1024;

/**
 * The content of a file that holds a secret of ours. Throws node_unfit, which names the setting, when it can not be read, or when anyone but
 * its owner, root or this process's user, may read it.
 */
export function readPrivateFile(setting: string, path: string): Buffer {
  const fd = openFile(setting, path);
  try {
    const stats = fstatSync(fd); // of what was opened, not of what the name means by now
    const { mode, size } = stats;
    if (!stats.isFile()) throw unusable(setting, path, 'is not a file', 'Name a file.');
    if ((mode & 0o077) !== 0) throw unusable(setting, path, `can be read by others (mode ${permissions(mode)})`, `chmod 600 ${path}`);
    requireUnchangeable(setting, path, stats);
    if (size > largestBytes) throw unusable(setting, path, `has ${size} bytes: that is no key`, 'Name the file of a key.');
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Throws node_unfit when anyone but root and this process's user can change what lies there. */
export function requireUnchangeable(setting: string, path: string, { mode, uid }: Pick<Stats, 'mode' | 'uid'>): void {
  const own = process.geteuid?.() ?? 0;
  if (uid !== 0 && uid !== own) throw unusable(setting, path, `belongs to uid ${uid}, who can change it`, `chown ${own} ${path}`);
  if ((mode & 0o022) !== 0) throw unusable(setting, path, `can be changed by others (mode ${permissions(mode)})`, `chmod go-w ${path}`);
}

function permissions(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}

/** That a file named by a setting is not what the setting needs. */
export function unusable(setting: string, path: string, what: string, fix: string): ThawError {
  return new ThawError('node_unfit', `${setting}: ${path} ${what}`, { fix });
}

function openFile(setting: string, path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe would wait for its writer
  } catch (error) {
    throw unusable(setting, path, `can not be read (${messageOf(error)})`, 'Make the file, or correct the setting.');
  }
}
