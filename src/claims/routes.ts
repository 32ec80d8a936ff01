import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { isThawError } from '#src/platform/errors.ts';
import { type AppEnv, assertPoolAllowed, assertTenantAllowed, requireRole } from '#src/platform/http/access.ts';
import { idempotencyKeyParameter, readIdempotencyKey } from '#src/platform/http/headers.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import { Name } from '#src/platform/ids.ts';
import type { Metrics } from '#src/platform/metrics.ts';
import type { RequestTrace } from '#src/platform/tracing.ts';
import { ChoiceRequest, ClaimRequest, longestSyncWaitMs } from './claim.ts';
import { BatchAnswer, BatchRequest, claimBatch } from './claim-batch.ts';
import type { ClaimCommand, Claimed, ClaimInstanceDeps } from './claim-command.ts';
import { claimInstance } from './claim-instance.ts';
import { recordTimings } from './record-timings.ts';
import { requireColdFallback } from './require-cold-fallback.ts';
import { ClaimView, viewClaim } from './view-claim.ts';

export interface ClaimRoutesDeps extends ClaimInstanceDeps {
  readonly metrics: Pick<Metrics, 'claimSeconds' | 'claimPhaseSeconds'>;
}

const preferParameter = {
  name: 'Prefer',
  in: 'header' as const,
  required: false,
  description: '`respond-async`: a claim that has to wait is answered with 202 at once, and served when its turn comes',
  schema: { type: 'string' as const },
  example: 'respond-async',
};
const problems = problemResponses(
  ...(['pool_not_found', 'pool_empty', 'quota_exceeded', 'idempotency_key_reused', 'bind_failed', 'node_unreachable'] as const),
  ...(['malformed_json', 'unsupported_media_type', 'body_too_large', 'client_closed_request'] as const),
);
const responses = {
  201: jsonResponse('The instance, held until expiresAt', ClaimView),
  202: jsonResponse('The claim waits in line; read it, or follow its events', ClaimView),
  ...problems,
};

const claimRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/pools/{pool}/claims',
  operationId: 'claimInstance',
  summary: 'Hand one ready instance to a tenant',
  parameters: [idempotencyKeyParameter, preferParameter],
  request: { params: z.object({ pool: Name }), body: jsonBody(ClaimRequest) },
  responses,
});

const choiceRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/claims',
  operationId: 'claimByChoice',
  summary: 'Hand an instance of the first of several pools that has one to a tenant',
  parameters: [idempotencyKeyParameter, preferParameter],
  request: { body: jsonBody(ChoiceRequest) },
  responses,
});

const batchRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'post',
  path: '/v1/claims/batch',
  operationId: 'claimBatch',
  summary: 'Make up to 100 claims at once; each succeeds or fails by itself',
  parameters: [idempotencyKeyParameter],
  request: { body: jsonBody(BatchRequest) },
  responses: { 200: jsonResponse('What became of each, in their order', BatchAnswer), ...problems },
});

export function claimRoutes(app: OpenAPIHono<AppEnv>, deps: ClaimRoutesDeps): void {
  const claim = async (c: Context<AppEnv>, order: Order) => {
    const { claim: made, replayed } = await claimFor(deps, c, order);
    c.header('Location', `/v1/claims/${made.id}`);
    if (replayed) c.header('Idempotency-Replayed', 'true');
    return c.json(viewClaim(made, c.get('actor')), made.state === 'waiting' ? 202 : 201);
  };
  app.openapi(claimRoute, (c) => {
    return claim(c, { ...readHeaders(c), pools: [c.req.valid('param').pool], body: c.req.valid('json') });
  });
  app.openapi(choiceRoute, (c) => {
    const { pools, ...body } = c.req.valid('json');
    return claim(c, { ...readHeaders(c), pools, body });
  });
  app.openapi(batchRoute, async (c) => {
    const key = readIdempotencyKey(c);
    const items = await claimBatch(c.req.valid('json'), c.get('actor'), ({ pools, ...body }, index) =>
      claimFor(deps, c, { pools, body, respondAsync: false, idempotencyKey: key === undefined ? undefined : `${key} #${index}` }),
    );
    return c.json({ items }, 200);
  });
}

/** A claim as it was asked for. */
interface Order extends Pick<ClaimCommand, 'body' | 'idempotencyKey' | 'respondAsync'> {
  readonly pools: readonly string[];
}

function readHeaders(c: Context<AppEnv>) {
  return { idempotencyKey: readIdempotencyKey(c), respondAsync: /(?:^|,)\s*respond-async\b/i.test(c.req.header('prefer') ?? '') };
}

async function claimFor(deps: ClaimRoutesDeps, c: Context<AppEnv>, { pools, ...order }: Order): Promise<Claimed> {
  const actor = c.get('actor');
  const [first, ...others] = pools;
  if (first === undefined) throw new Error('a claim names no pool');
  assertTenantAllowed(actor, order.body.tenant);
  for (const pool of pools) assertPoolAllowed(actor, pool);
  refuseLongWait(order);
  if (order.body.coldFallback) await requireColdFallback(deps.redis, pools, order.body);
  const trace = c.get('trace');
  const command: ClaimCommand = {
    ...order,
    pools: [first, ...others],
    keyId: actor.keyId,
    trace: trace?.traceId,
    hungUp: () => c.req.raw.signal,
  };
  return timeClaim(deps.metrics, trace, () => claimInstance(deps, command));
}

function refuseLongWait({ body: { waitMs }, respondAsync }: Pick<Order, 'body' | 'respondAsync'>): void {
  if (waitMs <= longestSyncWaitMs || respondAsync) return;
  throw validationFailed(
    [{ in: 'body', path: 'waitMs', message: `at most ${longestSyncWaitMs} without \`Prefer: respond-async\`` }],
    'Send that header and follow the claim, or wait shorter and ask again.',
  );
}

async function timeClaim(
  metrics: ClaimRoutesDeps['metrics'],
  trace: RequestTrace | undefined,
  claim: () => Promise<Claimed>,
): Promise<Claimed> {
  const startedAt = performance.now();
  const end = metrics.claimSeconds.startTimer();
  try {
    const claimed = await claim();
    const { receipt } = claimed.claim;
    end({ path: receipt?.path ?? 'none', outcome: 'ok' });
    if (receipt !== undefined && !claimed.replayed) recordTimings({ metrics, trace }, startedAt, receipt);
    return claimed;
  } catch (error) {
    end({ path: 'none', outcome: isThawError(error) ? error.code : 'internal' });
    throw error;
  }
}
