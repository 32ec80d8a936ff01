import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { Role } from '#src/platform/http/access.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { ApiKey, hashSecret, keyIdOf } from './key.ts';

/** hash, sha256 of the secret (hex) → key (JSON). */
const keysKey = `${keyPrefix}keys`;

const StoredKey = jsonField(ApiKey);

/** Records a key; one that is known stays as it is. */
export async function registerKey(redis: Redis, secret: string, name: string, role: Role): Promise<ApiKey> {
  const sha256 = hashSecret(secret);
  const key: ApiKey = { id: keyIdOf(sha256), name, role, sha256, createdAt: Date.now() };
  await redis.hsetnx(keysKey, sha256, JSON.stringify(key));
  return StoredKey.parse(await redis.hget(keysKey, sha256));
}

export async function findKey(redis: Redis, sha256: string): Promise<ApiKey | undefined> {
  const stored = await redis.hget(keysKey, sha256);
  return stored === null ? undefined : StoredKey.parse(stored);
}

/** Oldest first. There are few: one per service that calls. */
export async function listKeys(redis: Redis): Promise<ApiKey[]> {
  const keys = z.array(StoredKey).parse(await redis.hvals(keysKey));
  return keys.toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}

/** It is refused within a second. Throws key_not_found, or last_admin_key. */
export async function deleteKey(redis: Redis, id: string): Promise<void> {
  const keys = await listKeys(redis);
  const key = keys.find((one) => one.id === id);
  if (key === undefined) throw new ThawError('key_not_found', `there is no key ${id}`, { fix: 'GET /v1/keys lists those there are.' });
  if (key.role === 'admin' && keys.filter((one) => one.role === 'admin').length === 1) {
    throw new ThawError('last_admin_key', `key ${id} is the last one with the role admin`, { fix: 'Make another admin key first.' });
  }
  await redis.hdel(keysKey, key.sha256);
}
