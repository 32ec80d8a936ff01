import { timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import type { Redis } from '#src/platform/redis.ts';
import { hashSecret } from './key.ts';
import { createKeyCache } from './key-cache.ts';
import { findKey } from './key-store.ts';

/** Finds out who sends a request by its `Authorization: Bearer KEY`. Throws unauthenticated. */
export function authenticate(redis: Redis): MiddlewareHandler<AppEnv> {
  const keys = createKeyCache((sha256) => findKey(redis, sha256));
  return createMiddleware<AppEnv>(async (c, next) => {
    const secret = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (secret === undefined) throw unauthenticated('the request carries no API key');
    const sha256 = hashSecret(secret);
    const key = await keys.lookUp(sha256);
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
