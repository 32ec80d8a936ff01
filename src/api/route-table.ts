import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { AppEnv } from '#src/platform/http/access.ts';

interface RouteInfo {
  readonly operationId: string;
  /** Names of the query fields it knows. */
  readonly query: ReadonlySet<string>;
}

/** Undefined for a path that the API does not describe. */
export type FindRoute = (c: Context<AppEnv>) => RouteInfo | undefined;

/** Knows the operation that a request is for by what the routes say of themselves; may be made before the routes are. */
export function createRouteTable(app: OpenAPIHono<AppEnv>): FindRoute {
  let table: ReadonlyMap<string, RouteInfo> | undefined;
  return (c) => {
    table ??= readTable(app);
    const route = matchedRoutes(c).at(-1);
    return route && table.get(`${route.method} ${route.path}`);
  };
}

function readTable(app: OpenAPIHono<AppEnv>): Map<string, RouteInfo> {
  const table = new Map<string, RouteInfo>();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { method, path, operationId, request } = definition.route;
    const query = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape) : [];
    const pattern = path.replaceAll(/\{(\w+)\}/g, ':$1');
    table.set(`${method.toUpperCase()} ${pattern}`, { operationId: operationId ?? pattern, query: new Set(query) });
  }
  return table;
}
