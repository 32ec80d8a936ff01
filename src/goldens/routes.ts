import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Node } from '#src/nodes/node.ts';
import { listNodes } from '#src/nodes/store.ts';
import { OperationView, viewOperation } from '#src/operations/view.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { wholeNumber } from '#src/platform/http/whole-number.ts';
import { goldenId, Name } from '#src/platform/ids.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { viewOnNodes } from './builds/view-on-nodes.ts';
import { type DeleteGoldenDeps, deleteGolden } from './delete-golden.ts';
import type { Golden } from './golden.ts';
import { ImportSource, placeOf } from './import-source.ts';
import { Notes } from './notes.ts';
import { requestCapture } from './request-capture.ts';
import { requestDryRun } from './request-dry-run.ts';
import { requestVerify } from './request-verify.ts';
import { listGoldens, requireGolden } from './store.ts';
import { GoldenView, viewGolden } from './view.ts';

export type GoldenRoutesDeps = DeleteGoldenDeps;

const templateParams = z.object({ template: Name });
const goldenParams = templateParams.extend({ number: wholeNumber({ min: 1, max: 999_999_999 }) });
const CaptureRequest = z
  .strictObject({
    promote: z
      .boolean()
      .exactOptional()
      .openapi({ description: "Point the alias `stable` to it once it is ready; absent: as the template's refresh.promote says" }),
    notes: Notes.exactOptional(),
    dryRun: z
      .boolean()
      .exactOptional()
      .openapi({ description: 'Take none: start a primer, and report what would stop a checkpoint of it' }),
    from: ImportSource.exactOptional().openapi({ description: 'Import it instead of starting a primer' }),
  })
  .refine(({ dryRun, from }) => !dryRun || from === undefined, {
    path: ['from'],
    message: 'a dry run looks at a primer, and this starts none',
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
  summary: 'Delete a golden, once nothing runs on it',
  request: { params: goldenParams },
  responses: {
    202: jsonResponse('Retired: it takes no new clones and is deleted when the instances on it have ended', GoldenView),
    204: { description: 'Deleted' },
    ...problemResponses('template_not_found', 'golden_not_found', 'golden_in_use', 'capture_in_progress'),
  },
});

const verifyRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/templates/{template}/goldens/{number}/verify',
  operationId: 'verifyGolden',
  summary: 'Verify a ready golden again: its files, two clones, what the template asks of them; its evidence is renewed',
  parameters: [idempotencyKeyParameter],
  request: { params: goldenParams },
  responses: {
    202: jsonResponse('The operation to watch', OperationView),
    ...problemResponses('template_not_found', 'golden_not_found', 'golden_not_ready', 'golden_incompatible'),
  },
});

export function goldenRoutes(app: OpenAPIHono<AppEnv>, deps: GoldenRoutesDeps): void {
  app.openapi(captureRoute, async (c) => {
    const { dryRun = false, from, ...asked } = c.req.valid('json');
    const { template } = c.req.valid('param');
    const { keyId: key, name } = c.get('actor');
    const requestedBy = { key, name };
    const wish = { ...asked, ...(from && { from: placeOf(from) }), requestedBy };
    const operation = dryRun
      ? await requestDryRun(deps, template, { requestedBy }, readIdempotencyKey(c))
      : await requestCapture(deps, template, wish, readIdempotencyKey(c));
    return c.json(viewOperation(operation), 202);
  });
  app.openapi(listRoute, async (c) => {
    const { template } = c.req.valid('param');
    await requireTemplate(deps.redis, template);
    const { items, ...next } = await listGoldens(deps.redis, template, c.req.valid('query'));
    const nodes = await listNodes(deps.redis);
    return c.json({ items: await Promise.all(items.map((golden) => viewWithNodes(deps, golden, nodes))), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    const golden = await requireGolden(deps.redis, goldenId(template, number));
    return c.json(await viewWithNodes(deps, golden, await listNodes(deps.redis)), 200);
  });
  app.openapi(deleteRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    const golden = await deleteGolden(deps, goldenId(template, number));
    return golden.state === 'deleted' ? c.body(null, 204) : c.json(viewGolden(golden), 202);
  });
  app.openapi(verifyRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    return c.json(viewOperation(await requestVerify(deps, goldenId(template, number), readIdempotencyKey(c))), 202);
  });
}

async function viewWithNodes(
  { redis }: Pick<GoldenRoutesDeps, 'redis'>,
  golden: Golden,
  nodes: readonly Node[],
): Promise<z.infer<typeof GoldenView>> {
  return { ...viewGolden(golden), ...(await viewOnNodes(redis, golden, nodes)) };
}
