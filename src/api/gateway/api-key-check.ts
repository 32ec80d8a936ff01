import { opensKey } from '#src/api/key.ts';
import { createKeyCache } from '#src/api/key-cache.ts';
import { findKeyBySecret } from '#src/api/key-store.ts';
import { hashSecret } from '#src/api/secret.ts';
import type { Redis } from '#src/platform/redis.ts';

/** Tells API keys from what an app's users send it. Of any role: what opens Thaw is not for an instance. */
export function createApiKeyCheck(redis: Redis): (text: string) => Promise<boolean> {
  const keys = createKeyCache((sha256) => findKeyBySecret(redis, sha256));
  return async (text) => {
    const sha256 = hashSecret(text);
    const key = await keys.lookUp(sha256);
    return key !== undefined && opensKey(key, sha256, Date.now());
  };
}
