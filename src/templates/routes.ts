import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { etagResponse, IfMatchHeaders, parseIfMatch, setEtag } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { Name } from '#src/platform/ids.ts';
import { type DeleteTemplateDeps, deleteTemplate } from './delete-template.ts';
import { putTemplate } from './put-template.ts';
import { redactCanaries } from './redact-canaries.ts';
import { listTemplates, requireTemplate } from './store.ts';
import { type Template, TemplateSpec } from './template.ts';

export interface TemplateRoutesDeps extends DeleteTemplateDeps {
  /** Makes the jobs that refresh the template agree with what it says now. */
  keepSchedule(template: string): Promise<void>;
}

const TemplateView = z
  .object({
    name: Name,
    ...TemplateSpec.shape,
    etag: z.string(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Template');

const TemplateBody = z
  .strictObject({ ...TemplateSpec.shape, volumes: z.unknown().optional().openapi({ description: 'Refused with volumes_unsupported' }) })
  .openapi('TemplateRequest');

const params = z.object({ template: Name });

const putRoute = createRoute({
  ...requireRole('admin'),
  method: 'put',
  path: '/v1/templates/{template}',
  operationId: 'putTemplate',
  summary: 'Create or replace a template',
  request: { params, headers: IfMatchHeaders, body: jsonBody(TemplateBody) },
  responses: {
    200: etagResponse('Replaced', TemplateView),
    201: etagResponse('Created', TemplateView),
    ...problemResponses('precondition_failed', 'volumes_unsupported', 'malformed_json', 'unsupported_media_type', 'body_too_large'),
  },
});

const getRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates/{template}',
  operationId: 'getTemplate',
  summary: 'Read a template',
  request: { params },
  responses: { 200: etagResponse('The template', TemplateView), ...problemResponses('template_not_found') },
});

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/templates',
  operationId: 'listTemplates',
  summary: 'List templates by name',
  request: { query: ListQuery },
  responses: { 200: jsonResponse('Templates', pageOf(TemplateView)), ...problemResponses() },
});

const deleteRoute = createRoute({
  ...requireRole('admin'),
  method: 'delete',
  path: '/v1/templates/{template}',
  operationId: 'deleteTemplate',
  summary: 'Delete a template and its goldens',
  request: { params, headers: IfMatchHeaders },
  responses: {
    204: { description: 'Deleted' },
    ...problemResponses('template_not_found', 'precondition_failed', 'template_in_use', 'capture_in_progress'),
  },
});

export function templateRoutes(app: OpenAPIHono<AppEnv>, deps: TemplateRoutesDeps): void {
  app.openapi(putRoute, async (c) => {
    const { template: name } = c.req.valid('param');
    const { template, created } = await putTemplate(deps.redis, name, c.req.valid('json'), parseIfMatch(c.req.valid('header')['if-match']));
    await deps.keepSchedule(name);
    setEtag(c, template.etag);
    return created ? c.json(viewTemplate(template), 201) : c.json(viewTemplate(template), 200);
  });
  app.openapi(getRoute, async (c) => {
    const template = await requireTemplate(deps.redis, c.req.valid('param').template);
    setEtag(c, template.etag);
    return c.json(viewTemplate(template), 200);
  });
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listTemplates(deps.redis, c.req.valid('query'));
    return c.json({ items: items.map(viewTemplate), ...next }, 200);
  });
  app.openapi(deleteRoute, async (c) => {
    const { template: name } = c.req.valid('param');
    await deleteTemplate(deps, name, parseIfMatch(c.req.valid('header')['if-match']));
    await deps.keepSchedule(name);
    return c.body(null, 204);
  });
}

function viewTemplate({ name, spec, etag, createdAt, updatedAt }: Template): z.infer<typeof TemplateView> {
  return {
    name,
    ...redactCanaries(spec),
    etag,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
