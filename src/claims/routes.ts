import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { maxLogBytes } from '#src/nodes/agent-protocol.ts';
import { isThawError } from '#src/platform/errors.ts';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { IdempotencyHeaders } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { Name } from '#src/platform/ids.ts';
import type { Metrics } from '#src/platform/metrics.ts';
import { type Claim, ClaimRequest, hasClaimEnded, RenewRequest, Tenant } from './claim.ts';
import { type ClaimInstanceDeps, claimInstance } from './claim-instance.ts';
import { releaseClaim } from './release-claim.ts';
import { claimEnded, renewClaim } from './renew-claim.ts';
import { listClaims, requireClaim } from './store.ts';
import { ClaimView, viewClaim } from './view-claim.ts';

export interface ClaimRoutesDeps extends ClaimInstanceDeps {
  readonly metrics: Pick<Metrics, 'claimSeconds'>;
}

const params = z.object({ claim: z.string().max(64).openapi({ example: 'clm-0123456789abcdef' }) });
const badBody = ['malformed_json', 'unsupported_media_type', 'body_too_large'] as const;

const claimRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'post',
  path: '/v1/pools/{pool}/claims',
  operationId: 'claimInstance',
  summary: 'Hand one ready instance to a tenant',
  request: { params: z.object({ pool: Name }), headers: IdempotencyHeaders, body: jsonBody(ClaimRequest) },
  responses: {
    201: jsonResponse('The instance, held until expiresAt', ClaimView),
    ...problemResponses('pool_not_found', 'pool_empty', 'idempotency_key_reused', 'bind_failed', 'node_unreachable', ...badBody),
  },
});

const listRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/claims',
  operationId: 'listClaims',
  summary: 'List claims, newest first; ended ones are kept for a day',
  request: { query: ListQuery.extend({ tenant: Tenant.optional() }) },
  responses: { 200: jsonResponse('Claims', pageOf(ClaimView)), ...problemResponses() },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/claims/{claim}',
  operationId: 'getClaim',
  summary: 'Read a claim',
  request: { params },
  responses: { 200: jsonResponse('The claim', ClaimView), ...problemResponses('claim_not_found') },
});

const renewRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'post',
  path: '/v1/claims/{claim}/renew',
  operationId: 'renewClaim',
  summary: 'Let the lease end leaseMs from now',
  request: { params, body: jsonBody(RenewRequest) },
  responses: {
    200: jsonResponse('The claim with its new expiresAt', ClaimView),
    ...problemResponses('claim_not_found', 'claim_ended', ...badBody),
  },
});

const releaseRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'delete',
  path: '/v1/claims/{claim}',
  operationId: 'releaseClaim',
  summary: 'Give the instance back, to be destroyed; may be repeated',
  request: { params },
  responses: { 200: jsonResponse('The claim, which has ended', ClaimView), ...problemResponses('claim_not_found') },
});

const logsRoute = createRoute({
  ...requireRole('admin', 'backend'),
  method: 'get',
  path: '/v1/claims/{claim}/logs',
  operationId: 'getClaimLogs',
  summary: "Read the end of the instance's stdout and stderr",
  request: { params, query: z.object({ maxBytes: z.coerce.number().int().min(1).max(maxLogBytes).default(65_536) }) },
  responses: {
    200: { description: 'The newest maxBytes', content: { 'text/plain': { schema: z.string() } } },
    ...problemResponses('claim_not_found', 'claim_ended', 'instance_not_found', 'node_unreachable'),
  },
});

export function claimRoutes(app: OpenAPIHono<AppEnv>, deps: ClaimRoutesDeps): void {
  const { redis } = deps;
  app.openapi(claimRoute, async (c) => {
    const { pool } = c.req.valid('param');
    const idempotencyKey = c.req.valid('header')['idempotency-key'];
    const command = { pool, body: c.req.valid('json'), keyId: c.get('actor').keyId, idempotencyKey };
    const claim = await timeClaim(deps.metrics, () => claimInstance(deps, command));
    c.header('Location', `/v1/claims/${claim.id}`);
    return c.json(viewClaim(claim), 201);
  });
  app.openapi(listRoute, async (c) => {
    const { items, ...next } = await listClaims(redis, c.req.valid('query'));
    return c.json({ items: items.map(viewClaim), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => c.json(viewClaim(await requireClaim(redis, c.req.valid('param').claim)), 200));
  app.openapi(renewRoute, async (c) => {
    return c.json(viewClaim(await renewClaim(redis, c.req.valid('param').claim, c.req.valid('json').leaseMs)), 200);
  });
  app.openapi(releaseRoute, async (c) => c.json(viewClaim(await releaseClaim(deps, c.req.valid('param').claim)), 200));
  app.openapi(logsRoute, async (c) => {
    const claim = await requireClaim(redis, c.req.valid('param').claim);
    if (hasClaimEnded(claim.state)) throw claimEnded(claim, claim.state);
    const { maxBytes } = c.req.valid('query');
    return c.text(await deps.agents.ask(claim.node, (agent) => agent.logs(claim.instance, maxBytes)), 200);
  });
}

async function timeClaim({ claimSeconds }: ClaimRoutesDeps['metrics'], claim: () => Promise<Claim>): Promise<Claim> {
  const end = claimSeconds.startTimer();
  try {
    const claimed = await claim();
    end({ path: claimed.receipt?.path ?? 'none', outcome: 'ok' });
    return claimed;
  } catch (error) {
    end({ path: 'none', outcome: isThawError(error) ? error.code : 'internal' });
    throw error;
  }
}
