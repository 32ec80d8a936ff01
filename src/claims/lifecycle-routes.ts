import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { AgentDirectory } from '#src/nodes/agent-directory.ts';
import { maxLogBytes } from '#src/nodes/agent-protocol.ts';
import { isThawError } from '#src/platform/errors.ts';
import { type AppEnv, assertTenantAllowed, requireRole, visibleTenant } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { wholeNumber } from '#src/platform/http/whole-number.ts';
import { acknowledgeClaim } from './acknowledge-claim.ts';
import { type Claim, hasClaimEnded, RenewRequest, Tenant } from './claim.ts';
import { claimEnded, notHeldYet } from './claim-refusals.ts';
import type { EndClaimDeps } from './end-and-destroy.ts';
import { releaseClaim } from './release-claim.ts';
import { renewClaim } from './renew-claim.ts';
import { listClaims } from './store.ts';
import { ClaimView, viewClaim } from './view-claim.ts';
import { ClaimParams, requireVisibleClaim } from './visible-claim.ts';

export interface LifecycleDeps extends EndClaimDeps {
  readonly agents: Pick<AgentDirectory, 'ask'>;
}

const params = ClaimParams;
const badBody = ['malformed_json', 'unsupported_media_type', 'body_too_large'] as const;

const listRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/claims',
  operationId: 'listClaims',
  summary: 'List claims, newest first; ended ones are kept for 7 days',
  request: { query: ListQuery.extend({ tenant: Tenant.optional() }) },
  responses: { 200: jsonResponse('Claims', pageOf(ClaimView)), ...problemResponses() },
});

const getRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/claims/{claim}',
  operationId: 'getClaim',
  summary: 'Read a claim',
  request: { params },
  responses: { 200: jsonResponse('The claim', ClaimView), ...problemResponses('claim_not_found') },
});

const renewRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/claims/{claim}/renew',
  operationId: 'renewClaim',
  summary: 'Let the lease end leaseMs from now',
  request: { params, body: jsonBody(RenewRequest) },
  responses: {
    200: jsonResponse('The claim with its new expiresAt', ClaimView),
    ...problemResponses('claim_not_found', 'claim_ended', 'claim_not_held', ...badBody),
  },
});

const acknowledgeRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/claims/{claim}/ack',
  operationId: 'acknowledgeClaim',
  summary: 'Say that the answer arrived; without it a claim with `ack: true` is taken back',
  request: { params },
  responses: {
    200: jsonResponse('The claim, active', ClaimView),
    ...problemResponses('claim_not_found', 'claim_ended', 'claim_not_held'),
  },
});

const releaseRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'delete',
  path: '/v1/claims/{claim}',
  operationId: 'releaseClaim',
  summary: 'Give the instance back, to be destroyed, or leave the line; may be repeated',
  request: { params },
  responses: { 200: jsonResponse('The claim, which has ended', ClaimView), ...problemResponses('claim_not_found') },
});

const keptLogBytes = 65_536;

const logsRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/claims/{claim}/logs',
  operationId: 'getClaimLogs',
  summary: "Read the end of the instance's stdout and stderr; of an ended claim the last 64 KB are kept for 7 days",
  request: { params, query: z.strictObject({ maxBytes: wholeNumber({ min: 1, max: maxLogBytes }).default(keptLogBytes) }) },
  responses: {
    200: { description: 'The newest maxBytes', content: { 'text/plain': { schema: z.string() } } },
    ...problemResponses('claim_not_found', 'claim_ended', 'claim_not_held', 'instance_not_found', 'node_unreachable'),
  },
});

/** What can be done with a claim once there is one. Another tenant's is answered like one that does not exist. */
export function claimLifecycleRoutes(app: OpenAPIHono<AppEnv>, deps: LifecycleDeps): void {
  const { redis } = deps;
  app.openapi(listRoute, async (c) => {
    const { tenant, ...page } = c.req.valid('query');
    const actor = c.get('actor');
    if (tenant !== undefined) assertTenantAllowed(actor, tenant);
    const { items, ...next } = await listClaims(redis, { ...page, tenant: tenant ?? visibleTenant(actor) });
    return c.json({ items: items.map((claim) => viewClaim(claim, actor)), ...next }, 200);
  });
  app.openapi(getRoute, async (c) => {
    return c.json(viewClaim(await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim), c.get('actor')), 200);
  });
  app.openapi(renewRoute, async (c) => {
    const { id } = await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim);
    return c.json(viewClaim(await renewClaim(redis, id, c.req.valid('json').leaseMs), c.get('actor')), 200);
  });
  app.openapi(acknowledgeRoute, async (c) => {
    const { id } = await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim);
    return c.json(viewClaim(await acknowledgeClaim(redis, id), c.get('actor')), 200);
  });
  app.openapi(releaseRoute, async (c) => {
    const { id } = await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim);
    return c.json(viewClaim(await releaseClaim(deps, id, c.get('actor')), c.get('actor')), 200);
  });
  app.openapi(logsRoute, async (c) => {
    const claim = await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim);
    return c.text(await readLogs(deps, claim, c.req.valid('query').maxBytes), 200);
  });
}

async function readLogs({ agents }: LifecycleDeps, claim: Claim, maxBytes: number): Promise<string> {
  const { node, instance, state } = claim;
  if (node === undefined || instance === undefined) throw hasClaimEnded(state) ? claimEnded(claim, state) : notHeldYet(claim);
  try {
    return await agents.ask(node, (agent) => agent.logs(instance, maxBytes));
  } catch (error) {
    if (isThawError(error, 'instance_not_found') && hasClaimEnded(state)) throw claimEnded(claim, state); // its log was not kept, or not for so long
    throw error;
  }
}
