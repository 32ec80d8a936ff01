import type { MiddlewareHandler } from 'hono';
import { createMiddleware } from 'hono/factory';
import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';

export const Role = z.enum(['admin', 'backend', 'tenant']);
export type Role = z.infer<typeof Role>;

/** Whoever sent the request, as its API key says. */
interface Actor {
  readonly keyId: string;
  readonly role: Role;
  readonly name: string;
}

/** What every handler finds on its context; set by the app before any route runs. */
export interface AppEnv {
  Variables: { actor: Actor; requestId: string };
}

/**
 * Who may use a route; spread it into the route's definition: `createRoute({ ...requireRole('admin'), method, path, … })`.
 * The roles go into openapi.yaml as `x-thaw-roles`, so that one table of role × route can be read off it and tested.
 */
export function requireRole(...roles: [Role, ...Role[]]) {
  const middleware: MiddlewareHandler<AppEnv> = createMiddleware<AppEnv>(async (c, next) => {
    const { role } = c.get('actor');
    if (!roles.includes(role)) {
      throw new ThawError('forbidden', `${c.req.method} ${c.req.path} is for ${roles.join(' and ')} keys; this key's role is ${role}`, {
        fix: `Use a key with the role ${roles.join(' or ')}.`,
      });
    }
    await next();
  });
  return { middleware, security: [{ bearer: [] as string[] }], 'x-thaw-roles': roles };
}
