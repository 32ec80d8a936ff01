import { timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type ApiKey, hashSecret } from './key.ts';
import { findKey } from './key-store.ts';

/** How long a look-up is good for: a claim so asks Redis nothing for its key, and a deleted key is refused within this time. */
const cacheMs = 1000;
/** Whoever tries many keys shall not fill the memory. */
const cacheSize = 1000;

/** Finds out who sends a request by its `Authorization: Bearer KEY`. Throws unauthenticated. */
export function authenticate(redis: Redis): MiddlewareHandler<AppEnv> {
  const cache = new Map<string, { readonly key: Promise<ApiKey | undefined>; readonly until: number }>();
  const lookUp = (sha256: string): Promise<ApiKey | undefined> => {
    const now = performance.now();
    const known = cache.get(sha256);
    if (known !== undefined && known.until > now) return known.key;
    if (cache.size >= cacheSize) cache.clear();
    const key = findKey(redis, sha256);
    cache.set(sha256, { key, until: now + cacheMs });
    key.catch(() => cache.delete(sha256)); // Redis away: the next request asks again
    return key;
  };
  return createMiddleware<AppEnv>(async (c, next) => {
    const secret = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (secret === undefined) throw unauthenticated('the request carries no API key');
    const sha256 = hashSecret(secret);
    const key = await lookUp(sha256);
    if (key === undefined || !isSame(key.sha256, sha256)) throw unauthenticated('the API key is not known');
    c.set('actor', { keyId: key.id, role: key.role, name: key.name });
    await next();
  });
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function unauthenticated(message: string): ThawError {
  return new ThawError('unauthenticated', message, { fix: 'Send `Authorization: Bearer KEY`; an admin makes keys with POST /v1/keys.' });
}
