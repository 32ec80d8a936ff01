import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { poolCounts } from '#src/instances/store.ts';
import { listNodes } from '#src/nodes/store.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { jsonResponse } from '#src/platform/http/json.ts';
import type { Metrics } from '#src/platform/metrics.ts';
import type { Redis } from '#src/platform/redis.ts';
import { readRestoreCounts } from '#src/pools/restore-counts.ts';
import { allPoolNames } from '#src/pools/store.ts';

export interface HealthDeps {
  readonly redis: Redis;
  readonly metrics: Metrics;
}

const Readiness = z
  .object({
    ready: z.boolean(),
    problems: z.array(z.string()).openapi({ description: 'Why it is not ready' }),
    warnings: z.array(z.string()).openapi({ description: 'What is put up with, e.g. a Redis that may lose answered claims' }),
  })
  .openapi('Readiness');

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
  summary: 'Whether claims can be served: Redis answers and a node is ready',
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
export function healthRoutes(app: OpenAPIHono<AppEnv>, { redis, metrics }: HealthDeps): void {
  app.openapi(healthRoute, (c) => c.json({ ok: true as const }, 200));
  app.openapi(readyRoute, async (c) => {
    const readiness = await readReadiness(redis);
    return readiness.ready ? c.json(readiness, 200) : c.json(readiness, 503);
  });
  app.openapi(metricsRoute, async (c) => {
    await refreshGauges(redis, metrics);
    return c.text(await metrics.render(), 200, { 'Content-Type': metrics.contentType });
  });
}

async function readReadiness(redis: Redis): Promise<z.infer<typeof Readiness>> {
  try {
    const [warnings, nodes] = await Promise.all([durabilityWarnings(redis), listNodes(redis)]);
    const states = nodes.map((node) => `${node.name} is ${node.fit ? node.state : `not fit: ${node.problems.join('; ')}`}`);
    const problems = nodes.some((node) => node.state === 'ready' && node.fit)
      ? []
      : [nodes.length === 0 ? 'no node has reported; start a worker' : `no node is ready: ${states.join(', ')}`];
    return { ready: problems.length === 0, problems, warnings };
  } catch (error) {
    return { ready: false, problems: [`Redis: ${error instanceof Error ? error.message : String(error)}`], warnings: [] };
  }
}

/** Law 2 needs a Redis that has written what it answered. */
async function durabilityWarnings(redis: Redis): Promise<string[]> {
  const wanted = { appendonly: 'yes', appendfsync: 'always' };
  const answers = await Promise.all(
    Object.entries(wanted).map(async ([setting, value]) => {
      const [, found] = z.array(z.string()).parse(await redis.call('CONFIG', 'GET', setting).catch(() => [])); // refused by managed servers
      return found === value ? [] : `Redis has ${setting} ${found ?? 'unknown'}, not ${value}: a crash of it may lose answered claims`;
    }),
  );
  return answers.flat();
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
