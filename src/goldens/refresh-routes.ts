import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { OperationView, viewOperation } from '#src/operations/view.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { Name } from '#src/platform/ids.ts';
import type { RequestDeps } from './request-capture.ts';
import { requestRefresh } from './request-refresh.ts';

const refreshRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/templates/{template}/refresh',
  operationId: 'refreshTemplate',
  summary: "Take a template's next golden, and promote it as its refresh policy says",
  parameters: [idempotencyKeyParameter],
  request: { params: z.object({ template: Name }) },
  responses: {
    202: jsonResponse('The operation to watch', OperationView),
    ...problemResponses('template_not_found', 'capture_in_progress', 'idempotency_key_reused', 'no_node'),
  },
});

export function refreshRoutes(app: OpenAPIHono<AppEnv>, deps: RequestDeps): void {
  app.openapi(refreshRoute, async (c) => {
    const { keyId, name } = c.get('actor');
    const wish = { requestedBy: { key: keyId, name }, idempotencyKey: readIdempotencyKey(c) };
    return c.json(viewOperation(await requestRefresh(deps, c.req.valid('param').template, wish)), 202);
  });
}
