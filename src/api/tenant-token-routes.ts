import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { Tenant } from '#src/claims/claim.ts';
import { type AppEnv, assertPoolAllowed, assertTenantAllowed, requireRole } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { Name } from '#src/platform/ids.ts';
import { PoolNames } from './key.ts';
import type { TenantTokens } from './tenant-tokens.ts';

const longestTtlMs = 3_600_000;

const TokenRequest = z
  .strictObject({
    ttlMs: z.number().int().min(1000).max(longestTtlMs).default(900_000),
    pools: PoolNames.exactOptional().openapi({ description: 'The only pools it may claim from; absent: those of the key that asks' }),
  })
  .openapi('TokenRequest', { example: { ttlMs: 900_000, pools: ['web'] } });

const TokenView = z
  .object({
    token: z.string().openapi({ description: 'Sent as `Authorization: Bearer TOKEN`, like a key with the role tenant' }),
    tenant: Tenant,
    pools: z.array(Name).optional(),
    expiresAt: z.iso.datetime(),
  })
  .openapi('TenantToken');

const mintRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'post',
  path: '/v1/tenants/{tenant}/tokens',
  operationId: 'mintTenantToken',
  summary: 'Mint a short-lived token for a tenant; nothing of it is kept, and it ends with the key that minted it',
  request: { params: z.object({ tenant: Tenant }), body: jsonBody(TokenRequest) },
  responses: {
    201: jsonResponse('The token', TokenView),
    ...problemResponses('malformed_json', 'unsupported_media_type', 'body_too_large'),
  },
});

export function tenantTokenRoutes(app: OpenAPIHono<AppEnv>, { tokens }: { readonly tokens: TenantTokens }): void {
  app.openapi(mintRoute, async (c) => {
    const actor = c.get('actor');
    const { tenant } = c.req.valid('param');
    const { ttlMs, pools = actor.pools } = c.req.valid('json');
    assertTenantAllowed(actor, tenant);
    for (const pool of pools ?? []) assertPoolAllowed(actor, pool);
    const expiresAt = Math.ceil((Date.now() + ttlMs) / 1000) * 1000;
    const token = await tokens.sign({ tenant, mintedBy: actor.keyId, pools, expiresAt });
    const view = { token, tenant, ...(pools === undefined ? {} : { pools: [...pools] }), expiresAt: new Date(expiresAt).toISOString() };
    return c.json(view, 201, { 'Cache-Control': 'no-store' });
  });
}
