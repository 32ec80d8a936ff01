import type { Context, MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { ThawError } from '#src/platform/errors.ts';
import type { Actor, AppEnv } from '#src/platform/http/access.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type ApiKey, opensKey } from './key.ts';
import { createKeyCache } from './key-cache.ts';
import { findKey, findKeyBySecret } from './key-store.ts';
import { createRateLimiter, type RateLimit } from './rate-limit.ts';
import { hashSecret } from './secret.ts';
import type { TenantTokens } from './tenant-tokens.ts';

export interface AuthenticateDeps {
  readonly redis: Redis;
  readonly tokens: TenantTokens;
}

type Identity = Omit<Actor, 'address'>;

/**
 * Finds out who sends a request by its `Authorization: Bearer …`, an API key or a tenant token, and holds them to the key's rate limit.
 * Throws unauthenticated or rate_limited.
 */
export function authenticate({ redis, tokens }: AuthenticateDeps): MiddlewareHandler<AppEnv> {
  const bySecret = createKeyCache((sha256) => findKeyBySecret(redis, sha256));
  const byId = createKeyCache((id) => findKey(redis, id));
  const takeFromLimit = createRateLimiter(() => performance.now());

  const identify = async (bearer: string): Promise<{ identity: Identity; key: ApiKey }> => {
    if (isToken(bearer)) {
      const token = await tokens.verify(bearer);
      const key = token && (await byId.lookUp(token.mintedBy));
      if (token === undefined || key === undefined) throw unauthenticated('the token is not valid, has expired, or its key was revoked');
      const { tenant, pools } = token;
      return { identity: { keyId: `${key.id}/${tenant}`, role: 'tenant', name: key.name, tenant, pools }, key };
    }
    const sha256 = hashSecret(bearer);
    const key = await bySecret.lookUp(sha256);
    if (key === undefined || !opensKey(key, sha256, Date.now())) throw unauthenticated('the API key is not known');
    return { identity: { keyId: key.id, role: key.role, name: key.name, ...key.scope }, key };
  };

  return createMiddleware<AppEnv>(async (c, next) => {
    const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (bearer === undefined) throw unauthenticated('the request carries no API key');
    const { identity, key } = await identify(bearer);
    if (key.expiresAt !== undefined && key.expiresAt <= Date.now()) throw unauthenticated(`the API key ${key.id} has expired`);
    c.set('actor', { ...identity, address: c.get('address') });
    if (key.rateLimit !== undefined) limitRate(c, identity, key.rateLimit, takeFromLimit);
    await next();
  });
}

/** A JWT in its compact form; API keys have no dots, but those of THAW_API_KEY may: they never begin like a JSON object in base64. */
function isToken(bearer: string): boolean {
  return bearer.startsWith('eyJ') && bearer.split('.').length === 3;
}

/** Says in every answer what is left, so that a client can slow down before it is refused. */
function limitRate(c: Context<AppEnv>, { keyId, name }: Identity, limit: RateLimit, take: ReturnType<typeof createRateLimiter>): void {
  const { allowed, remaining, resetMs, retryAfterMs } = take(keyId, limit);
  c.header('RateLimit-Limit', String(limit.burst));
  c.header('RateLimit-Remaining', String(remaining));
  c.header('RateLimit-Reset', String(Math.ceil(resetMs / 1000)));
  if (allowed) return;
  throw new ThawError('rate_limited', `key ${name} may send ${limit.perSecond} requests per second and ${limit.burst} at once`, {
    fix: 'Send again after Retry-After; slow down when RateLimit-Remaining nears 0.',
    retryAfterMs,
  });
}

function unauthenticated(message: string): ThawError {
  return new ThawError('unauthenticated', message, {
    fix: 'Send `Authorization: Bearer KEY`; an admin makes keys with POST /v1/keys, a back end tokens with POST /v1/tenants/{tenant}/tokens.',
  });
}
