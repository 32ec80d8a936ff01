import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { ThawError } from '#src/platform/errors.ts';
import { Failure } from '#src/platform/failure.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { ClaimId, GoldenId, InstanceId, Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type Instance, InstancePort, InstanceRole, InstanceState, TimingsMs } from './instance.ts';
import { listInstances } from './list-instances.ts';
import { getInstance } from './store.ts';

export interface InstanceRoutesDeps {
  readonly redis: Redis;
}

const InstanceView = z
  .object({
    id: InstanceId,
    pool: z.string().optional(),
    template: z.string(),
    golden: GoldenId.optional(),
    node: z.string(),
    role: InstanceRole,
    state: InstanceState,
    address: z.string().optional(),
    ports: z.array(InstancePort),
    claim: ClaimId.optional(),
    timingsMs: TimingsMs,
    problem: Failure.optional(),
    createdAt: z.iso.datetime(),
    stateAt: z.iso.datetime(),
    warmAt: z.iso.datetime().optional(),
  })
  .openapi('Instance');

const listRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/instances',
  operationId: 'listInstances',
  summary: 'List live instances, newest first',
  request: { query: ListQuery.extend({ pool: Name.optional(), node: Name.optional(), state: InstanceState.optional() }) },
  responses: { 200: jsonResponse('Instances', pageOf(InstanceView)), ...problemResponses() },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/instances/{instance}',
  operationId: 'getInstance',
  summary: 'Read an instance; one that ended can be read for an hour',
  request: { params: z.object({ instance: InstanceId }) },
  responses: { 200: jsonResponse('The instance', InstanceView), ...problemResponses('instance_not_found') },
});

export function instanceRoutes(app: OpenAPIHono<AppEnv>, { redis }: InstanceRoutesDeps): void {
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listInstances(redis, c.req.valid('query'));
    return c.json({ items: items.map(viewInstance), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => {
    const { instance: id } = c.req.valid('param');
    const instance = await getInstance(redis, id);
    if (instance) return c.json(viewInstance(instance), 200);
    throw new ThawError('instance_not_found', `there is no instance ${id}`, {
      fix: 'List them with GET /v1/instances; one that ended can be read for an hour.',
    });
  });
}

function viewInstance(instance: Instance): z.infer<typeof InstanceView> {
  const { pool, createdAt, stateAt, warmAt, ...rest } = instance;
  return {
    ...rest,
    ...(pool === '' ? {} : { pool }),
    createdAt: new Date(createdAt).toISOString(),
    stateAt: new Date(stateAt).toISOString(),
    ...(warmAt === undefined ? {} : { warmAt: new Date(warmAt).toISOString() }),
  };
}
