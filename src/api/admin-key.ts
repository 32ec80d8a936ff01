import { readFileSync, writeFileSync } from 'node:fs';
import type { Config } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { newSecret } from './secret.ts';

export interface AdminKey {
  readonly key: string;
  /** Made just now: the moment to show it. */
  readonly isNew: boolean;
}

type KeyConfig = Pick<Config, 'apiKey' | 'paths'>;

/** THAW_API_KEY, or the key in the data directory, which is made (readable by its owner alone) when there is none. */
export function ensureAdminKey(config: KeyConfig): AdminKey {
  const found = findAdminKey(config);
  if (found !== undefined) return { key: found, isNew: false };
  const key = newSecret();
  writeFileSync(config.paths.adminKey, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return { key, isNew: true };
}

/** Undefined when there is none yet, or it is not ours to read. */
export function findAdminKey({ apiKey, paths }: KeyConfig): string | undefined {
  if (apiKey !== undefined) return apiKey;
  try {
    return readFileSync(paths.adminKey, 'utf8').trim() || undefined;
  } catch (error) {
    if (isErrnoError(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}
