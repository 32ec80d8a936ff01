import { closeSync, constants, fchownSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** What the host writes into /run/thaw of an instance: a tmpfs, which the instance sees read-only. */
export type RunThawFile = 'binding.json' | 'identity.json' | 'hook-token';

/**
 * Readable by the app's user only. By rename, so that the app never reads half of it; owned before it has its name. Made anew and
 * following no link, although the instance can not write there: whatever stood there would be written with the host's rights.
 */
export function writeRunThaw(runThaw: string, name: RunThawFile, text: string, owner: { uid: number; gid: number }): void {
  const file = join(runThaw, name);
  rmSync(`${file}.new`, { force: true });
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(`${file}.new`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o400);
  try {
    writeSync(fd, text);
    fchownSync(fd, owner.uid, owner.gid);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
}

export function removeRunThaw(runThaw: string, name: RunThawFile): void {
  rmSync(join(runThaw, name), { force: true });
}
