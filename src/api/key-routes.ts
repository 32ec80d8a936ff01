import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Fingerprint } from '#src/claims/fingerprint.ts';
import { type AppEnv, Role, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type ApiKey, KeyId, KeyRequest, KeyScope, RotateRequest } from './key.ts';
import { createKey, listKeys, revokeKey, rotateKey } from './key-store.ts';
import { RateLimit } from './rate-limit.ts';
import { hashSecret, keyIdOf, newSecret } from './secret.ts';

export interface KeyRoutesDeps {
  readonly redis: Redis;
  readonly fingerprint: Fingerprint;
}

const KeyView = z
  .object({
    id: KeyId,
    name: z.string(),
    role: Role,
    scope: KeyScope,
    rateLimit: RateLimit.optional(),
    createdAt: z.iso.datetime(),
    rotatedAt: z.iso.datetime().optional(),
    expiresAt: z.iso.datetime().optional(),
  })
  .openapi('Key');
const NewKeyView = KeyView.extend({
  secret: z.string().optional().openapi({ description: 'Shown this once: a replay under the same Idempotency-Key answers without it' }),
}).openapi('NewKey');

const params = z.object({ key: KeyId.openapi({ example: 'key-0123456789abcdef' }) });
const badBody = ['malformed_json', 'unsupported_media_type', 'body_too_large'] as const;
const replayedHeader = {
  'Idempotency-Replayed': { schema: { type: 'string' as const }, description: '`true` when nothing was made anew' },
};

const createKeyRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/keys',
  operationId: 'createKey',
  summary: 'Make an API key; its secret is answered this once',
  parameters: [idempotencyKeyParameter],
  request: { body: jsonBody(KeyRequest) },
  responses: {
    201: { ...jsonResponse('The key', NewKeyView), headers: replayedHeader },
    ...problemResponses('idempotency_key_reused', 'key_not_found', ...badBody),
  },
});

const listRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/keys',
  operationId: 'listKeys',
  summary: 'List API keys, newest first, without their secrets',
  request: { query: ListQuery },
  responses: { 200: jsonResponse('Keys', pageOf(KeyView)), ...problemResponses() },
});

const rotateRoute = createRoute({
  ...requireRole('admin'),
  method: 'post',
  path: '/v1/keys/{key}/rotate',
  operationId: 'rotateKey',
  summary: 'Give a key a new secret; the old one works for graceMs more',
  request: { params, body: jsonBody(RotateRequest) },
  responses: { 200: jsonResponse('The key with its new secret', NewKeyView), ...problemResponses('key_not_found', ...badBody) },
});

const revokeRoute = createRoute({
  ...requireRole('admin'),
  method: 'delete',
  path: '/v1/keys/{key}',
  operationId: 'revokeKey',
  summary: 'Revoke a key; it is refused within a second, with all tokens that it minted',
  request: { params },
  responses: { 204: { description: 'Revoked' }, ...problemResponses('key_not_found', 'last_admin_key') },
});

/** Secrets are for their receiver alone. */
const secretHeaders = { 'Cache-Control': 'no-store' };

export function keyRoutes(app: OpenAPIHono<AppEnv>, { redis, fingerprint }: KeyRoutesDeps): void {
  app.openapi(createKeyRoute, async (c) => {
    const body = c.req.valid('json');
    const idempotencyKey = readIdempotencyKey(c);
    const secret = newSecret();
    const sha256 = hashSecret(secret);
    const key: ApiKey = { ...body, id: keyIdOf(sha256), secrets: [{ sha256 }], createdAt: Date.now() };
    const request = idempotencyKey === undefined ? undefined : { key: idempotencyKey, fingerprint: fingerprint(['/v1/keys'], body) };
    const made = await createKey(redis, key, request && { ...request, actorId: c.get('actor').keyId });
    if (made.replayed) return c.json(viewKey(made.key), 201, { 'Idempotency-Replayed': 'true' });
    return c.json({ ...viewKey(made.key), secret }, 201, secretHeaders);
  });
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listKeys(redis, c.req.valid('query'));
    return c.json({ items: items.map(viewKey), ...next }, 200);
  });
  app.openapi(rotateRoute, async (c) => {
    const secret = newSecret();
    const key = await rotateKey(redis, c.req.valid('param').key, secret, c.req.valid('json').graceMs);
    return c.json({ ...viewKey(key), secret }, 200, secretHeaders);
  });
  app.openapi(revokeRoute, async (c) => {
    await revokeKey(redis, c.req.valid('param').key);
    return c.body(null, 204);
  });
}

function viewKey({ secrets: _secrets, createdAt, rotatedAt, expiresAt, ...key }: ApiKey): z.infer<typeof KeyView> {
  return {
    ...key,
    createdAt: new Date(createdAt).toISOString(),
    ...(rotatedAt === undefined ? {} : { rotatedAt: new Date(rotatedAt).toISOString() }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
  };
}
