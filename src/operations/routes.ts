import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { cancelOperation } from './cancel-operation.ts';
import { listOperations, requireOperation } from './store.ts';
import { OperationView, viewOperation } from './view.ts';

export interface OperationRoutesDeps {
  readonly redis: Redis;
}

const params = z.object({ operation: OperationId });

const listRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/operations',
  operationId: 'listOperations',
  summary: 'List operations, newest first',
  request: { query: ListQuery },
  responses: { 200: jsonResponse('Operations', pageOf(OperationView)), ...problemResponses() },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/operations/{operation}',
  operationId: 'getOperation',
  summary: 'Watch an operation',
  request: { params },
  responses: { 200: jsonResponse('The operation', OperationView), ...problemResponses('operation_not_found') },
});

const cancelRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/operations/{operation}/cancel',
  operationId: 'cancelOperation',
  summary: 'Cancel an operation; again → the same answer',
  request: { params },
  responses: {
    200: jsonResponse('The cancelled operation', OperationView),
    ...problemResponses('operation_not_found', 'invalid_transition'),
  },
});

export function operationRoutes(app: OpenAPIHono<AppEnv>, { redis }: OperationRoutesDeps): void {
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listOperations(redis, c.req.valid('query'));
    return c.json({ items: items.map(viewOperation), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => c.json(viewOperation(await requireOperation(redis, c.req.valid('param').operation)), 200));
  app.openapi(cancelRoute, async (c) => c.json(viewOperation(await cancelOperation(redis, c.req.valid('param').operation)), 200));
}
