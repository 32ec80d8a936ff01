import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, assertPoolAllowed, requireRole } from '#src/platform/http/access.ts';
import { etagResponse, IfMatchHeaders, parseIfMatch, setEtag } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { AdviceQuery, advisePool, PoolAdvice } from './advice.ts';
import { type Pool, PoolSpec, PoolStatus } from './pool.ts';
import { readPoolStatus } from './pool-status.ts';
import { RolloutPolicy } from './rollout-policy.ts';
import { deletePool, listPools, requirePool, savePool } from './store.ts';
import { TenantLimits } from './tenant-limits.ts';

export interface PoolRoutesDeps {
  readonly redis: Redis;
}

const PoolView = z
  .object({
    name: Name,
    template: PoolSpec.shape.template,
    golden: PoolSpec.shape.golden,
    size: z.object({ ready: z.union([z.number().int(), z.string()]), max: z.number().int() }),
    lease: z.object({ defaultMs: z.number().int(), maxMs: z.number().int(), idleMs: z.number().int().exactOptional() }),
    perTenant: TenantLimits,
    rollout: RolloutPolicy,
    status: PoolStatus,
    etag: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Pool');

const params = z.object({ pool: Name });

const putRoute = createRoute({
  ...requireRole('admin'),
  method: 'put',
  path: '/v1/pools/{pool}',
  operationId: 'putPool',
  summary: 'Create a pool, or change it; it is then filled, shrunk or changed over',
  request: { params, headers: IfMatchHeaders, body: jsonBody(PoolSpec) },
  responses: {
    200: etagResponse('Changed', PoolView),
    201: etagResponse('Created', PoolView),
    ...problemResponses('template_not_found', 'precondition_failed', 'malformed_json', 'unsupported_media_type', 'body_too_large'),
  },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/pools/{pool}',
  operationId: 'getPool',
  summary: 'Read a pool and what it is like right now',
  request: { params },
  responses: { 200: etagResponse('The pool', PoolView), ...problemResponses('pool_not_found') },
});

const listRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/pools',
  operationId: 'listPools',
  summary: 'List pools by name',
  request: { query: ListQuery },
  responses: { 200: jsonResponse('Pools', pageOf(PoolView)), ...problemResponses() },
});

const adviceRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/pools/{pool}/advice',
  operationId: 'advisePool',
  summary: 'Ask how many instances should be ready, from recorded claims and measured restores',
  request: { params, query: AdviceQuery },
  responses: {
    200: jsonResponse('A size, and what it follows from', PoolAdvice),
    ...problemResponses('pool_not_found', 'template_not_found'),
  },
});

const deleteRoute = createRoute({
  ...requireRole('admin'),
  method: 'delete',
  path: '/v1/pools/{pool}',
  operationId: 'deletePool',
  summary: 'Delete a pool and destroy its warm instances; refused while claims are live',
  request: { params, headers: IfMatchHeaders },
  responses: { 204: { description: 'Deleted' }, ...problemResponses('pool_not_found', 'pool_in_use', 'precondition_failed') },
});

export function poolRoutes(app: OpenAPIHono<AppEnv>, { redis }: PoolRoutesDeps): void {
  app.openapi(putRoute, async (c) => {
    const spec = c.req.valid('json');
    await requireTemplate(redis, spec.template);
    const { pool, created } = await savePool(redis, c.req.valid('param').pool, spec, parseIfMatch(c.req.valid('header')['if-match']));
    const view = await viewPool(redis, pool);
    setEtag(c, pool.etag);
    return created ? c.json(view, 201) : c.json(view, 200);
  });
  app.openapi(getRoute, async (c) => {
    assertPoolAllowed(c.get('actor'), c.req.valid('param').pool);
    const pool = await requirePool(redis, c.req.valid('param').pool);
    setEtag(c, pool.etag);
    return c.json(await viewPool(redis, pool), 200);
  });
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listPools(redis, c.req.valid('query'));
    const { pools } = c.get('actor');
    const visible = items.filter(({ name }) => pools === undefined || pools.includes(name));
    return c.json({ items: await Promise.all(visible.map((pool) => viewPool(redis, pool))), ...next }, 200);
  });
  app.openapi(adviceRoute, async (c) => {
    const { pool } = c.req.valid('param');
    assertPoolAllowed(c.get('actor'), pool);
    return c.json(await advisePool(redis, await requirePool(redis, pool), c.req.valid('query').hitRate), 200);
  });
  app.openapi(deleteRoute, async (c) => {
    await deletePool(redis, c.req.valid('param').pool, parseIfMatch(c.req.valid('header')['if-match']));
    return c.body(null, 204);
  });
}

async function viewPool(redis: Redis, pool: Pool): Promise<z.infer<typeof PoolView>> {
  const { name, spec, etag, createdAt, updatedAt } = pool;
  const { template, golden, size, lease, perTenant, rollout } = spec;
  return {
    ...{ name, template, golden, size, lease, perTenant, rollout },
    status: await readPoolStatus(redis, pool),
    etag,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
