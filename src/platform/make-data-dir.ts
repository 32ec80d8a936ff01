import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrnoError } from './errno.ts';
import { messageOf, ThawError } from './errors.ts';

/**
 * Makes the data directory, and the ones above it that are missing. Instances of other uids pass through it and read nothing.
 * One level at a time: where a file system takes no directories (/proc), mkdir's own recursion never ends (Node 24).
 */
export function makeDataDir(path: string): void {
  try {
    makeLevels(path);
  } catch (error) {
    throw new ThawError('node_unfit', `the data directory ${path} could not be made: ${messageOf(error)}`, {
      fix: 'Run as root, or set THAW_DATA_DIR to a directory of yours.',
      cause: error,
    });
  }
}

function makeLevels(path: string): void {
  try {
    mkdirSync(path, { mode: 0o711 });
  } catch (error) {
    if (isErrnoError(error, 'EEXIST') && statSync(path).isDirectory()) return;
    if (!isErrnoError(error, 'ENOENT') || existsSync(dirname(path))) throw error;
    makeLevels(dirname(path));
    mkdirSync(path, { mode: 0o711 });
  }
}
