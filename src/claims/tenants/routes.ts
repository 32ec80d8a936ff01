import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { Tenant } from '#src/claims/claim.ts';
import { type AppEnv, assertTenantAllowed, requireRole } from '#src/platform/http/access.ts';
import { etagResponse, IfMatchHeaders, parseIfMatch, setEtag } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import type { Redis } from '#src/platform/redis.ts';
import { TenantLimits } from '#src/pools/tenant-limits.ts';
import { listTenants, readTenant, readUsage, saveLimits } from './store.ts';
import { TenantUsage, TenantView } from './tenant.ts';

const params = z.object({ tenant: Tenant });

const putRoute = createRoute({
  ...requireRole('admin'),
  method: 'put',
  path: '/v1/tenants/{tenant}',
  operationId: 'putTenant',
  summary: 'Set the limits of a tenant in all pools together; a limit that is left out is none',
  request: { params, headers: IfMatchHeaders, body: jsonBody(TenantLimits) },
  responses: {
    200: etagResponse('The tenant', TenantView),
    ...problemResponses('precondition_failed', 'malformed_json', 'unsupported_media_type', 'body_too_large'),
  },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/tenants/{tenant}',
  operationId: 'getTenant',
  summary: 'Read what a tenant may have and has; a tenant reads its own',
  request: { params },
  responses: { 200: etagResponse('The tenant', TenantView), ...problemResponses() },
});

const listRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/tenants',
  operationId: 'listTenants',
  summary: 'List the tenants that claimed or have limits, who claimed last first',
  request: { query: ListQuery },
  responses: { 200: jsonResponse('Tenants', pageOf(TenantView)), ...problemResponses() },
});

const usageRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/tenants/{tenant}/usage',
  operationId: 'getTenantUsage',
  summary: 'Read what a tenant has used; a tenant reads its own',
  request: { params },
  responses: { 200: jsonResponse('Its usage', TenantUsage), ...problemResponses() },
});

export function tenantRoutes(app: OpenAPIHono<AppEnv>, { redis }: { readonly redis: Redis }): void {
  app.openapi(putRoute, async (c) => {
    const { tenant } = c.req.valid('param');
    await saveLimits(redis, tenant, c.req.valid('json'), parseIfMatch(c.req.valid('header')['if-match']));
    const view = await readTenant(redis, tenant);
    setEtag(c, view.etag);
    return c.json(view, 200);
  });
  app.openapi(getRoute, async (c) => {
    const { tenant } = c.req.valid('param');
    assertTenantAllowed(c.get('actor'), tenant);
    const view = await readTenant(redis, tenant);
    setEtag(c, view.etag);
    return c.json(view, 200);
  });
  app.openapi(listRoute, async (c) => {
    const { tenant } = c.get('actor');
    if (tenant !== undefined) return c.json({ items: [await readTenant(redis, tenant)] }, 200); // a back end that acts for one only
    return c.json(await listTenants(redis, c.req.valid('query')), 200);
  });
  app.openapi(usageRoute, async (c) => {
    const { tenant } = c.req.valid('param');
    assertTenantAllowed(c.get('actor'), tenant);
    return c.json(await readUsage(redis, tenant), 200);
  });
}
