import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { Node } from './node.ts';
import { listNodes, requireNode, setCordoned } from './store.ts';

export interface NodeRoutesDeps {
  readonly redis: Redis;
}

const NodeView = z
  .object({
    name: Name,
    state: Node.shape.state,
    fit: z.boolean(),
    problems: z.array(z.string()).openapi({ description: 'Why it is not fit' }),
    capacity: Node.shape.capacity,
    fingerprint: NodeFingerprint,
    heartbeatAt: z.iso.datetime(),
  })
  .openapi('Node');

const params = z.object({ node: Name });

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/nodes',
  operationId: 'listNodes',
  summary: 'List all nodes by name',
  responses: { 200: jsonResponse('Nodes', z.object({ items: z.array(NodeView) })), ...problemResponses() },
});

const getRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/nodes/{node}',
  operationId: 'getNode',
  summary: 'Read a node',
  request: { params },
  responses: { 200: jsonResponse('The node', NodeView), ...problemResponses('node_not_found') },
});

const cordonRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/nodes/{node}/cordon',
  operationId: 'cordonNode',
  summary: 'Place nothing new on a node',
  request: { params },
  responses: { 200: jsonResponse('The node', NodeView), ...problemResponses('node_not_found') },
});

const uncordonRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/nodes/{node}/uncordon',
  operationId: 'uncordonNode',
  summary: 'Use a node again',
  request: { params },
  responses: { 200: jsonResponse('The node', NodeView), ...problemResponses('node_not_found') },
});

export function nodeRoutes(app: OpenAPIHono<AppEnv>, { redis }: NodeRoutesDeps): void {
  app.openapi(listRoute, async (c) => c.json({ items: (await listNodes(redis)).map(viewNode) }, 200));
  app.openapi(getRoute, async (c) => c.json(viewNode(await requireNode(redis, c.req.valid('param').node)), 200));
  app.openapi(cordonRoute, async (c) => c.json(viewNode(await setCordoned(redis, c.req.valid('param').node, true)), 200));
  app.openapi(uncordonRoute, async (c) => c.json(viewNode(await setCordoned(redis, c.req.valid('param').node, false)), 200));
}

function viewNode({ at, bootId: _bootId, agent: _agent, ...node }: Node): z.infer<typeof NodeView> {
  return { ...node, heartbeatAt: new Date(at).toISOString() };
}
