import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, Role, requireRole } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import type { Redis } from '#src/platform/redis.ts';
import { newSecret } from './admin-key.ts';
import { type ApiKey, KeyId, KeyRequest } from './key.ts';
import { deleteKey, listKeys, registerKey } from './key-store.ts';

const KeyView = z.object({ id: KeyId, name: z.string(), role: Role, createdAt: z.iso.datetime() }).openapi('Key');
const NewKeyView = KeyView.extend({ secret: z.string().openapi({ description: 'Shown this once' }) }).openapi('NewKey');

const createKeyRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/keys',
  operationId: 'createKey',
  summary: 'Make an API key; its secret is answered this once',
  request: { body: jsonBody(KeyRequest) },
  responses: {
    201: jsonResponse('The key', NewKeyView),
    ...problemResponses('malformed_json', 'unsupported_media_type', 'body_too_large'),
  },
});

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/keys',
  operationId: 'listKeys',
  summary: 'List all API keys, oldest first, without their secrets',
  responses: { 200: jsonResponse('Keys', z.object({ items: z.array(KeyView) })), ...problemResponses() },
});

const deleteRoute = createRoute({
  ...requireRole('admin'),
  method: 'delete',
  path: '/v1/keys/{key}',
  operationId: 'deleteKey',
  summary: 'Delete an API key; it is refused within a second',
  request: { params: z.object({ key: z.string().max(64).openapi({ example: 'key-0123456789abcdef' }) }) },
  responses: { 204: { description: 'Deleted' }, ...problemResponses('key_not_found', 'last_admin_key') },
});

export function keyRoutes(app: OpenAPIHono<AppEnv>, { redis }: { readonly redis: Redis }): void {
  app.openapi(createKeyRoute, async (c) => {
    const { name, role } = c.req.valid('json');
    const secret = newSecret();
    return c.json({ ...viewKey(await registerKey(redis, secret, name, role)), secret }, 201, { 'Cache-Control': 'no-store' });
  });
  app.openapi(listRoute, async (c) => c.json({ items: (await listKeys(redis)).map(viewKey) }, 200));
  app.openapi(deleteRoute, async (c) => {
    await deleteKey(redis, c.req.valid('param').key);
    return c.body(null, 204);
  });
}

function viewKey({ id, name, role, createdAt }: ApiKey): z.infer<typeof KeyView> {
  return { id, name, role, createdAt: new Date(createdAt).toISOString() };
}
