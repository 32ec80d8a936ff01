import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type Actor, type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { ClaimId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { readTimeline, type Timeline } from './timeline.ts';
import { ClaimParams, requireVisibleClaim } from './visible-claim.ts';

const text = z.string().optional();
const StepView = z.object({
  type: z.string().openapi({ description: 'As of an event', example: 'claim.reserved' }),
  at: z.iso.datetime(),
  sinceMs: z.number().openapi({ description: 'Since the claim was asked for; negative before' }),
  tookMs: z.number().optional().openapi({ description: 'How long this state lasted; absent while it does' }),
  phasesMs: z.record(z.string(), z.number()).optional(),
  ...{ instance: text, golden: text, node: text, role: text, operation: text, reason: text, actor: text, trace: text },
});

const TimelineView = z
  .object({
    claim: ClaimId,
    steps: z.array(StepView).openapi({ description: 'Oldest first, from the capture of the golden to the end of the instance' }),
    complete: z.boolean().openapi({ description: 'false: some events are no longer kept; the steps come from the records' }),
  })
  .openapi('Timeline', {
    example: {
      claim: ClaimId.parse('clm-0123456789abcdef'),
      complete: true,
      steps: [
        { type: 'instance.warm', at: '2026-01-01T00:00:00.000Z', sinceMs: -60_000, tookMs: 60_000, golden: 'search@7' },
        { type: 'claim.reserved', at: '2026-01-01T00:01:00.000Z', sinceMs: 0, tookMs: 3, phasesMs: { bind: 1.2, hook: 0 } },
        { type: 'claim.active', at: '2026-01-01T00:01:00.003Z', sinceMs: 3 },
      ],
    },
  });

const timelineRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/claims/{claim}/timeline',
  operationId: 'getClaimTimeline',
  summary: 'Read what happened to a claim and its instance, step by step, with times and durations',
  request: { params: ClaimParams },
  responses: { 200: jsonResponse('The steps', TimelineView), ...problemResponses('claim_not_found') },
});

export function timelineRoutes(app: OpenAPIHono<AppEnv>, { redis }: { readonly redis: Redis }): void {
  app.openapi(timelineRoute, async (c) => {
    const claim = await requireVisibleClaim(redis, c.get('actor'), c.req.valid('param').claim);
    return c.json(viewTimeline(await readTimeline(redis, claim), claim.createdAt, c.get('actor')), 200);
  });
}

/** Tenants see neither nodes nor who else acted. */
function viewTimeline({ claim, steps, complete }: Timeline, createdAt: number, { role }: Actor): z.infer<typeof TimelineView> {
  const views = steps.map(({ at, node, actor, ...step }) => ({
    ...step,
    ...(role === 'tenant' ? {} : { node, actor }),
    at: new Date(at).toISOString(),
    sinceMs: at - createdAt,
  }));
  return { claim, steps: views, complete };
}
