import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { OperationView, viewOperation } from '#src/operations/view.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { notSupportedYet } from '#src/platform/http/not-supported-yet.ts';
import { wholeNumber } from '#src/platform/http/whole-number.ts';
import { goldenId, Name } from '#src/platform/ids.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { deleteGolden } from './delete-golden.ts';
import { type RequestDeps, requestCapture } from './request-capture.ts';
import { requestVerify } from './request-verify.ts';
import { listGoldens, requireGolden } from './store.ts';
import { GoldenView, viewGolden } from './view.ts';

export type GoldenRoutesDeps = RequestDeps;

const templateParams = z.object({ template: Name });
const goldenParams = templateParams.extend({ number: wholeNumber({ min: 1, max: 999_999_999 }) });
const CaptureRequest = z
  .strictObject({
    promote: z.boolean().default(true).openapi({ description: 'Point the alias `stable` to it once it is ready' }),
    dryRun: notSupportedYet,
    from: notSupportedYet,
  })
  .openapi('CaptureRequest');

const captureRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/templates/{template}/goldens',
  operationId: 'captureGolden',
  summary: "Capture a template's next golden",
  parameters: [idempotencyKeyParameter],
  request: { params: templateParams, body: jsonBody(CaptureRequest) },
  responses: {
    202: jsonResponse('The operation to watch', OperationView),
    ...problemResponses(
      'template_not_found',
      'capture_in_progress',
      'idempotency_key_reused',
      'no_node',
      'malformed_json',
      'unsupported_media_type',
    ),
  },
});

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates/{template}/goldens',
  operationId: 'listGoldens',
  summary: "List a template's goldens, newest first",
  request: { params: templateParams, query: ListQuery },
  responses: { 200: jsonResponse('Goldens', pageOf(GoldenView)), ...problemResponses('template_not_found') },
});

const getRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates/{template}/goldens/{number}',
  operationId: 'getGolden',
  summary: 'Read a golden',
  request: { params: goldenParams },
  responses: { 200: jsonResponse('The golden', GoldenView), ...problemResponses('template_not_found', 'golden_not_found') },
});

const deleteRoute = createRoute({
  ...requireRole('admin'),
  method: 'delete',
  path: '/v1/templates/{template}/goldens/{number}',
  operationId: 'deleteGolden',
  summary: 'Delete a golden that nothing uses',
  request: { params: goldenParams },
  responses: {
    204: { description: 'Deleted' },
    ...problemResponses('template_not_found', 'golden_not_found', 'golden_in_use', 'capture_in_progress'),
  },
});

const verifyRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/templates/{template}/goldens/{number}/verify',
  operationId: 'verifyGolden',
  summary: "Check a golden's files and restore two clones of it",
  parameters: [idempotencyKeyParameter],
  request: { params: goldenParams },
  responses: {
    202: jsonResponse('The operation to watch', OperationView),
    ...problemResponses('template_not_found', 'golden_not_found', 'golden_not_ready'),
  },
});

export function goldenRoutes(app: OpenAPIHono<AppEnv>, deps: GoldenRoutesDeps): void {
  app.openapi(captureRoute, async (c) => {
    const { promote } = c.req.valid('json');
    const operation = await requestCapture(deps, c.req.valid('param').template, { promote }, readIdempotencyKey(c));
    return c.json(viewOperation(operation), 202);
  });
  app.openapi(listRoute, async (c) => {
    const { template } = c.req.valid('param');
    await requireTemplate(deps.redis, template);
    const { items, ...next } = await listGoldens(deps.redis, template, c.req.valid('query'));
    return c.json({ items: items.map(viewGolden), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    return c.json(viewGolden(await requireGolden(deps.redis, goldenId(template, number))), 200);
  });
  app.openapi(deleteRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    await deleteGolden(deps, goldenId(template, number));
    return c.body(null, 204);
  });
  app.openapi(verifyRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    return c.json(viewOperation(await requestVerify(deps, goldenId(template, number), readIdempotencyKey(c))), 202);
  });
}
