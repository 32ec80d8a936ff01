import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '#src/platform/http/access.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { FindRoute } from './route-table.ts';

/** A query field that no one reads is refused, so that a misspelt filter does not answer everything. Holds for every operation alike. */
export function refuseUnknownQuery(findRoute: FindRoute): MiddlewareHandler<AppEnv> {
  return (c, next) => {
    const at = c.req.url.indexOf('?');
    const route = at === -1 ? undefined : findRoute(c);
    if (route === undefined) return next();
    const names = new Set(new URLSearchParams(c.req.url.slice(at + 1)).keys());
    const unknown = [...names].filter((name) => !route.query.has(name));
    if (unknown.length === 0) return next();
    throw validationFailed(unknown.map((name) => ({ in: 'query', path: name, message: 'unknown field' })));
  };
}
