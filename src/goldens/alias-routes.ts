import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { etagResponse, IfMatchHeaders, parseIfMatch, setEtag } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { type Alias, readAliases, requireAlias } from './alias.ts';
import { setAlias } from './aliases.ts';

export interface AliasRoutesDeps {
  readonly redis: Redis;
}

const GoldenNumber = z.number().int().min(1).max(999_999_999);
const MoveView = z.object({
  golden: GoldenNumber,
  movedAt: z.iso.datetime(),
  by: z.string().optional().openapi({ description: 'The name of the API key; `thaw`: nobody did it by hand' }),
  reason: z.string().optional().openapi({ description: 'Why it was moved back by itself' }),
});
const AliasView = z
  .object({
    alias: Name,
    golden: GoldenNumber,
    previous: GoldenNumber.optional().openapi({ description: 'Where it pointed to before: one step back' }),
    history: z.array(MoveView).openapi({ description: 'Its last moves, the newest first' }),
    etag: z.string(),
  })
  .openapi('Alias');
const AliasRequest = z.strictObject({ golden: GoldenNumber }).openapi('AliasRequest');
const templateParams = z.object({ template: Name });
const aliasParams = templateParams.extend({ alias: Name });

const putRoute = createRoute({
  ...requireRole('admin'),
  method: 'put',
  path: '/v1/templates/{template}/aliases/{alias}',
  operationId: 'putAlias',
  summary: 'Point an alias to a golden; the pools that follow it change over',
  request: { params: aliasParams, headers: IfMatchHeaders, body: jsonBody(AliasRequest) },
  responses: {
    200: etagResponse('The alias', AliasView),
    ...problemResponses(
      'template_not_found',
      'golden_not_found',
      'golden_not_ready',
      'precondition_failed',
      'malformed_json',
      'unsupported_media_type',
    ),
  },
});

const getRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates/{template}/aliases/{alias}',
  operationId: 'getAlias',
  summary: 'Read where an alias points to, and where it did before',
  request: { params: aliasParams },
  responses: { 200: etagResponse('The alias', AliasView), ...problemResponses('template_not_found', 'alias_not_found') },
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
    await requireTemplate(redis, template);
    const ifMatch = parseIfMatch(c.req.valid('header')['if-match']);
    await setAlias(redis, template, alias, c.req.valid('json').golden, { ifMatch, by: c.get('actor').name });
    const found = await requireAlias(redis, template, alias);
    setEtag(c, found.etag);
    return c.json(viewAlias(found), 200);
  });
  app.openapi(getRoute, async (c) => {
    const { template, alias } = c.req.valid('param');
    await requireTemplate(redis, template);
    const found = await requireAlias(redis, template, alias);
    setEtag(c, found.etag);
    return c.json(viewAlias(found), 200);
  });
  app.openapi(listRoute, async (c) => {
    const { template } = c.req.valid('param');
    await requireTemplate(redis, template);
    return c.json({ items: (await readAliases(redis, template)).map(viewAlias) }, 200);
  });
}

function viewAlias({ alias, golden, etag, moves }: Alias): z.infer<typeof AliasView> {
  const previous = moves[1]?.golden;
  const history = moves.map(({ at, ...move }) => ({ ...move, movedAt: new Date(at).toISOString() }));
  return { alias, golden, ...(previous === undefined ? {} : { previous }), history, etag };
}
