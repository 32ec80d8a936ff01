import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';

const maxLinks = 40;

/**
 * The text of a regular file below `root`, all symlinks resolved as a process inside would see them: `/etc/passwd` as a link to `/x` is
 * `<root>/x`, never the host's. Undefined when there is none. Throws when it is no regular file, larger than `maxBytes`, or a loop.
 * The tree must not change meanwhile: images in the store do not.
 */
export async function readFileInRoot(root: string, path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const resolved = await resolveInRoot(root, path);
    const file = await open(join(root, resolved), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw new Error(`${path} is no regular file`);
      if (stats.size > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrnoError(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Component by component: `..` stops at the root, absolute targets start there again. */
async function resolveInRoot(root: string, path: string): Promise<string> {
  const pending = path.split('/');
  let done: string[] = [];
  let links = 0;
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = join(root, ...done, part);
    if (!(await lstat(here)).isSymbolicLink()) {
      done.push(part);
      continue;
    }
    if (++links > maxLinks) throw new Error(`${path} has too many symlinks`);
    const target = await readlink(here);
    if (target.startsWith('/')) done = [];
    pending.unshift(...target.split('/'));
  }
  return done.join('/');
}
