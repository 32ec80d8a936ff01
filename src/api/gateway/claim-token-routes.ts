import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { EndpointUrl } from '#src/claims/bind-claim.ts';
import { claimNotFound } from '#src/claims/store.ts';
import type { InstancePort } from '#src/instances/instance.ts';
import type { ThawError } from '#src/platform/errors.ts';
import { type AppEnv, requireRole, visibleTenant } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import { findPort, type Target } from './read-target.ts';
import type { GatewayTokens } from './tokens.ts';

export interface ClaimTokenRoutesDeps {
  readonly gatewayTokens: GatewayTokens;
  readonly readTarget: (claim: string) => Promise<Target>;
  readonly endpointUrl: EndpointUrl;
}

const ClaimTokenRequest = z
  .strictObject({
    ttlMs: z
      .number()
      .int()
      .min(1000)
      .optional()
      .openapi({ description: 'At most what is left of the lease; 5 min when absent, or the lease' }),
    singleUse: z
      .boolean()
      .default(true)
      .openapi({ description: 'For a URL: opened once, it becomes a cookie. false: for a program that sends it with each request' }),
    port: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .openapi({ description: 'Which port `url` leads to, by name or number; the first http port when absent' }),
  })
  .openapi('ClaimTokenRequest', { example: { ttlMs: 60_000, singleUse: true } });

const ClaimTokenView = z
  .object({
    token: z.string().openapi({ description: 'Sent as `Thaw-Token: TOKEN` or `Authorization: Bearer TOKEN`. Shown this once' }),
    url: z.string().openapi({
      description: 'To be opened in a browser; the token is part of it',
      example: 'https://8080--clm-0123456789abcdef.thaw.example/?thaw_token=thawo_…',
    }),
    expiresAt: z.iso.datetime(),
  })
  .openapi('ClaimToken');

const mintRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/claims/{claim}/tokens',
  operationId: 'mintClaimToken',
  summary: "Make a token that opens the claim's instance at the gateway; it ends with the claim at the latest",
  request: {
    params: z.object({ claim: z.string().max(64).openapi({ example: 'clm-0123456789abcdef' }) }),
    body: jsonBody(ClaimTokenRequest),
  },
  responses: {
    201: jsonResponse('The token', ClaimTokenView),
    ...problemResponses(
      'claim_not_found',
      'claim_gone',
      'claim_not_ready',
      'port_not_found',
      'malformed_json',
      'unsupported_media_type',
      'body_too_large',
    ),
  },
});

const usualTtlMs = 300_000;

export function claimTokenRoutes(app: OpenAPIHono<AppEnv>, { gatewayTokens, readTarget, endpointUrl }: ClaimTokenRoutesDeps): void {
  app.openapi(mintRoute, async (c) => {
    const { claim } = c.req.valid('param');
    const { ttlMs, singleUse, port } = c.req.valid('json');
    const target = await readTarget(claim);
    const tenant = visibleTenant(c.get('actor'));
    if (tenant !== undefined && tenant !== target.tenant) throw claimNotFound(claim);
    const url = endpointUrl(target.claim, chosenPort(target, port), target.address);
    const { leaseLeftMs } = target;
    if (ttlMs !== undefined && ttlMs > leaseLeftMs) throw longerThanLease(leaseLeftMs);
    const lifeMs = Math.max(1, Math.floor(ttlMs ?? Math.min(leaseLeftMs, singleUse ? usualTtlMs : leaseLeftMs)));
    const expiresAt = new Date(Date.now() + lifeMs).toISOString();
    const token = await gatewayTokens.mint(claim, singleUse ? 'once' : 'reusable', lifeMs);
    return c.json({ token, url: `${url}/?thaw_token=${token}`, expiresAt }, 201, { 'Cache-Control': 'no-store' });
  });
}

function chosenPort(target: Target, written: string | undefined): InstancePort {
  return findPort(target, written ?? String(target.ports.find((port) => port.protocol === 'http')?.port ?? ''));
}

function longerThanLease(leaseLeftMs: number): ThawError {
  const message = `at most ${leaseLeftMs} ms, what is left of the lease`;
  return validationFailed([{ in: 'body', path: 'ttlMs', message }], 'Ask for less, or renew the claim first.');
}
