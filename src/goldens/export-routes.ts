import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { GoldenTargetText } from '#src/engine/golden-place.ts';
import { OperationView, viewOperation } from '#src/operations/view.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { wholeNumber } from '#src/platform/http/whole-number.ts';
import { goldenId, Name } from '#src/platform/ids.ts';
import type { RequestDeps } from './request-capture.ts';
import { requestExport } from './request-export.ts';

const ExportRequest = z
  .strictObject({
    to: GoldenTargetText.openapi({
      description: 'docker://host/name:tag, oci:/path:tag, docker-archive:/file.tar or archive:/file.tar; paths lie below THAW_IMAGE_ROOTS',
      example: 'docker://registry.example/goldens/api:7',
    }),
    overwrite: z.boolean().default(false).openapi({ description: 'Replace a file that is there' }),
    plain: z.boolean().default(false).openapi({ description: 'Export an encrypted golden as plain memory' }),
  })
  .openapi('ExportRequest', { example: { to: 'docker://registry.example/goldens/api:7' } });

const exportRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/templates/{template}/goldens/{number}/export',
  operationId: 'exportGolden',
  summary: 'Bring a golden to a registry or into a file',
  parameters: [idempotencyKeyParameter],
  request: { params: z.object({ template: Name, number: wholeNumber({ min: 1, max: 999_999_999 }) }), body: jsonBody(ExportRequest) },
  responses: {
    202: jsonResponse('The operation to watch; its result has the digest', OperationView),
    ...problemResponses(
      'template_not_found',
      'golden_not_found',
      'golden_not_ready',
      'idempotency_key_reused',
      'malformed_json',
      'unsupported_media_type',
    ),
  },
});

export function exportRoutes(app: OpenAPIHono<AppEnv>, deps: RequestDeps): void {
  app.openapi(exportRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    const operation = await requestExport(deps, goldenId(template, number), c.req.valid('json'), readIdempotencyKey(c));
    return c.json(viewOperation(operation), 202);
  });
}
