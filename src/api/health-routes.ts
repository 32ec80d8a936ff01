import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { poolCounts } from '#src/instances/store.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { jsonResponse } from '#src/platform/http/json.ts';
import type { Metrics } from '#src/platform/metrics.ts';
import type { Redis } from '#src/platform/redis.ts';
import { readRestoreCounts } from '#src/pools/restore-counts.ts';
import { renderRestorePhases } from '#src/pools/restore-phases.ts';
import { allPoolNames } from '#src/pools/store.ts';
import { openReadiness, Readiness, type ReadinessDeps } from './readiness.ts';

export interface HealthDeps extends ReadinessDeps {
  readonly metrics: Metrics;
}

const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  operationId: 'health',
  summary: 'Whether this process answers',
  security: [],
  responses: { 200: jsonResponse('It does', z.object({ ok: z.literal(true) })) },
});

const readyRoute = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'readiness',
  summary: 'Whether claims can be served: Redis answers, and the agent of a node',
  security: [],
  responses: { 200: jsonResponse('They can', Readiness), 503: jsonResponse('They can not', Readiness) },
});

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  operationId: 'metrics',
  summary: 'Metrics in the text format of Prometheus',
  security: [],
  responses: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } } },
});

/** What an orchestrator and a monitor ask, without a key. */
export function healthRoutes(app: OpenAPIHono<AppEnv>, deps: HealthDeps): void {
  const { redis, metrics } = deps;
  const readReadiness = openReadiness(deps);
  app.openapi(healthRoute, (c) => c.json({ ok: true as const }, 200));
  app.openapi(readyRoute, async (c) => {
    const readiness = await readReadiness();
    return readiness.ready ? c.json(readiness, 200) : c.json(readiness, 503);
  });
  app.openapi(metricsRoute, async (c) => {
    await refreshGauges(redis, metrics);
    const text = `${await metrics.render()}\n${await renderRestorePhases(redis)}`;
    return c.text(text, 200, { 'Content-Type': metrics.contentType });
  });
}

async function refreshGauges(redis: Redis, metrics: Metrics): Promise<void> {
  const names = await allPoolNames(redis);
  const counts = await Promise.all(names.map(async (pool) => ({ pool, counts: await poolCounts(redis, pool) })));
  metrics.poolInstances.reset();
  for (const { pool, counts: byState } of counts) {
    for (const state of ['restoring', 'preparing', 'warm', 'claimed', 'releasing'] as const) {
      metrics.poolInstances.set({ pool, state }, byState[state]);
    }
  }
  metrics.restores.reset();
  for (const [outcome, count] of Object.entries(await readRestoreCounts(redis))) metrics.restores.inc({ outcome }, count);
}
