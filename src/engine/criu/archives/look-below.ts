import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/**
 * What lies at `path` below `root`, when only directories lead there: through a link the answer might be of the host. Undefined when nothing
 * does. Names are bytes, one in each character.
 */
export function lookBelow(root: string, path: string): Stats | undefined {
  const parts = path.split('/');
  let location = root;
  let stats: Stats | undefined = lstatSync(location, { throwIfNoEntry: false });
  for (const part of path === '' ? [] : parts) {
    if (!stats?.isDirectory()) return undefined;
    location = join(location, part);
    stats = lstatSync(Buffer.from(location, 'latin1'), { throwIfNoEntry: false });
  }
  return stats;
}
