import type { Config } from '#src/platform/config.ts';
import type { Redis } from '#src/platform/redis.ts';
import { ensureAdminKey } from './admin-key.ts';
import { allKeys, registerKey } from './key-store.ts';

/**
 * Makes the API usable at its start. A key given by THAW_API_KEY is registered at every start, also when it was revoked meanwhile: who sets
 * it wants it. The one of the data directory is registered only while there is no admin key that lasts, so that revoking it lasts too.
 */
export async function registerAdminKey(redis: Redis, config: Pick<Config, 'apiKey' | 'paths'>): Promise<void> {
  const { key } = ensureAdminKey(config);
  const isWanted =
    config.apiKey !== undefined || !(await allKeys(redis)).some(({ role, expiresAt }) => role === 'admin' && expiresAt === undefined);
  if (isWanted) await registerKey(redis, key, 'admin', 'admin');
}
