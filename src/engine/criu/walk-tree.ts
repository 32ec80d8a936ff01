import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync, statSync } from 'node:fs';

export interface TreeEntry {
  /** Below the root. Names are bytes, not all are UTF-8: each character here is one byte. */
  readonly path: string;
  /** By which it can be opened until the next entry is asked for: at most 4095 bytes, however deep it lies. */
  readonly location: Buffer;
  readonly stats: BigIntStats;
}

interface Level {
  readonly path: string;
  readonly location: Buffer;
  /** The last one first. */
  readonly names: string[];
  readonly fd: number | undefined;
}

/** Before a name of up to 255 bytes is added. Far below the kernel's 4095: it goes through every part of a path at each call. */
const locationBytesMax = 1024;

/**
 * Everything below a directory, depth first, by the bytes of the names: the same order every time. Mount points are told, not entered.
 *
 * A program that goes down by steps makes trees whose paths are longer than any that the kernel takes. So where a location becomes too long,
 * the directory is held open and what lies in it is reached through the descriptor: one for each 1 KB of path.
 */
export function* walkTree(root: string): Generator<TreeEntry> {
  const { dev } = statSync(root, { bigint: true }); // the root itself may be a link
  const levels = [openLevel('', Buffer.from(root))];
  try {
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const name = level.names.pop();
      if (name === undefined) {
        closeLevel(level);
        levels.pop();
        continue;
      }
      const path = level.path === '' ? name : `${level.path}/${name}`;
      const location = Buffer.concat([level.location, Buffer.from(`/${name}`, 'latin1')]);
      const stats = lstatSync(location, { bigint: true });
      yield { path, location, stats };
      if (stats.isDirectory() && stats.dev === dev) levels.push(openLevel(path, location));
    }
  } finally {
    levels.forEach(closeLevel);
  }
}

function openLevel(path: string, location: Buffer): Level {
  const names = readdirSync(location, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  names.sort().reverse();
  if (location.length <= locationBytesMax) return { path, location, names, fd: undefined };
  const fd = openSync(location, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  return { path, location: Buffer.from(`/proc/self/fd/${fd}`), names, fd };
}

function closeLevel({ fd }: Level): void {
  if (fd !== undefined) closeSync(fd);
}
