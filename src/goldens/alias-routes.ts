import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { listAliases, setAlias } from './aliases.ts';

export interface AliasRoutesDeps {
  readonly redis: Redis;
}

const GoldenNumber = z.number().int().min(1).max(999_999_999);
const AliasView = z.object({ alias: Name, golden: GoldenNumber }).openapi('Alias');
const AliasRequest = z.strictObject({ golden: GoldenNumber }).openapi('AliasRequest');
const templateParams = z.object({ template: Name });

const putRoute = createRoute({
  ...requireRole('admin'),
  method: 'put',
  path: '/v1/templates/{template}/aliases/{alias}',
  operationId: 'putAlias',
  summary: 'Point an alias to a golden; the pools that follow it change over',
  request: { params: templateParams.extend({ alias: Name }), body: jsonBody(AliasRequest) },
  responses: {
    200: jsonResponse('The alias', AliasView),
    ...problemResponses('template_not_found', 'golden_not_found', 'golden_not_ready', 'malformed_json', 'unsupported_media_type'),
  },
});

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates/{template}/aliases',
  operationId: 'listAliases',
  summary: "List a template's aliases",
  request: { params: templateParams },
  responses: { 200: jsonResponse('Aliases', z.object({ items: z.array(AliasView) })), ...problemResponses('template_not_found') },
});

export function aliasRoutes(app: OpenAPIHono<AppEnv>, { redis }: AliasRoutesDeps): void {
  app.openapi(putRoute, async (c) => {
    const { template, alias } = c.req.valid('param');
    const { golden } = c.req.valid('json');
    await requireTemplate(redis, template);
    await setAlias(redis, template, alias, golden);
    return c.json({ alias, golden }, 200);
  });
  app.openapi(listRoute, async (c) => {
    const { template } = c.req.valid('param');
    await requireTemplate(redis, template);
    const aliases = Object.entries(await listAliases(redis, template)).sort(([a], [b]) => (a < b ? -1 : 1));
    return c.json({ items: aliases.map(([alias, golden]) => ({ alias, golden })) }, 200);
  });
}
