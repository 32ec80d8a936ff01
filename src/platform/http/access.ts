import type { IncomingMessage } from 'node:http';
import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { z } from 'zod';
import { type ProblemCode, ThawError } from '#src/platform/errors.ts';
import type { RequestTrace } from '#src/platform/tracing.ts';
import { shorten } from './validation-failed.ts';

export const Role = z.enum(['admin', 'backend', 'tenant']);
export type Role = z.infer<typeof Role>;

/** Whoever sent the request, as the API key or the tenant token says. */
export interface Actor {
  /** Of the API key. Of a token `KEY/TENANT`: idempotency keys and rate limits of two tenants never meet. */
  readonly keyId: string;
  readonly role: Role;
  readonly name: string;
  /** The only pools it may use; absent: all. */
  readonly pools?: readonly string[] | undefined;
  /** The only tenant it may act for and see; absent: all. A tenant's key always has one. */
  readonly tenant?: string | undefined;
  /** Where the request came from: of the client, as far as the proxies before us are trusted. */
  readonly address: string;
}

/** What every handler finds on its context; set by the app before any route runs. */
export interface AppEnv {
  /** `incoming`: absent where a request comes over no socket, as in tests. */
  Bindings: { readonly incoming?: IncomingMessage };
  Variables: {
    actor: Actor;
    requestId: string;
    /** Of the client. */
    address: string;
    /** Where the caller traces its request, or requests are exported. */
    trace?: RequestTrace;
    /** Of the answer, when it is a problem. */
    problem?: ProblemCode;
  };
}

/**
 * Who may use a route; spread it into the route's definition: `createRoute({ ...requireRole('admin'), method, path, … })`.
 * The roles go into openapi.yaml as `x-thaw-roles`, so that one table of role × route can be read off it and tested.
 */
export function requireRole(...roles: [Role, ...Role[]]) {
  const middleware: MiddlewareHandler<AppEnv> = createMiddleware<AppEnv>(async (c, next) => {
    const { role } = c.get('actor');
    if (!roles.includes(role)) {
      throw new ThawError(
        'forbidden',
        `${c.req.method} ${shorten(c.req.path, 200)} is for ${roles.join(' and ')} keys; this key's role is ${role}`,
        {
          fix: `Use a key with the role ${roles.join(' or ')}.`,
        },
      );
    }
    await next();
  });
  return { middleware, security: [{ bearer: [] as string[] }], 'x-thaw-roles': roles };
}

/** For a request that names a tenant to act for. What a request only names by its id is hidden instead: see visibleTenant. */
export function assertTenantAllowed(actor: Actor, tenant: string): void {
  if (actor.tenant === undefined || actor.tenant === tenant) return;
  throw new ThawError('forbidden', `key ${actor.name} acts for tenant ${actor.tenant} only, not for ${tenant}`, {
    fix: `Name the tenant ${actor.tenant}, or use a key without scope.tenant.`,
  });
}

/** Refuses without looking whether there is such a pool, so that nobody learns the names of others' pools. */
export function assertPoolAllowed(actor: Actor, pool: string): void {
  if (actor.pools === undefined || actor.pools.includes(pool)) return;
  throw new ThawError('forbidden', `key ${actor.name} may not use pool ${pool}; its scope.pools is ${actor.pools.join(', ')}`, {
    fix: 'Use one of those pools, or a key without scope.pools.',
  });
}

/**
 * The one tenant whose things the actor sees; undefined: everyone's. What belongs to another is answered like what does not exist (404),
 * and lists leave it out.
 */
export function visibleTenant(actor: Actor): string | undefined {
  return actor.tenant;
}
