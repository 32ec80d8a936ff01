import { randomUUID } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { claimLifecycleRoutes } from '#src/claims/lifecycle-routes.ts';
import { type ClaimRoutesDeps, claimRoutes } from '#src/claims/routes.ts';
import { tenantRoutes } from '#src/claims/tenants/routes.ts';
import { timelineRoutes } from '#src/claims/timeline-routes.ts';
import { aliasRoutes } from '#src/goldens/alias-routes.ts';
import { exportRoutes } from '#src/goldens/export-routes.ts';
import { notesRoutes } from '#src/goldens/notes-routes.ts';
import { refreshRoutes } from '#src/goldens/refresh-routes.ts';
import { type GoldenRoutesDeps, goldenRoutes } from '#src/goldens/routes.ts';
import { instanceRoutes } from '#src/instances/routes.ts';
import { nodeRoutes } from '#src/nodes/routes.ts';
import { operationRoutes } from '#src/operations/routes.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { limitBody } from '#src/platform/http/limit-body.ts';
import { problemHandler } from '#src/platform/http/on-error.ts';
import type { ReadClient } from '#src/platform/http/read-client.ts';
import { newRouter } from '#src/platform/http/router.ts';
import type { Logger } from '#src/platform/log.ts';
import type { SpanSink } from '#src/platform/tracing.ts';
import { poolRoutes } from '#src/pools/routes.ts';
import { type TemplateRoutesDeps, templateRoutes } from '#src/templates/routes.ts';
import type { AuditLog } from './audit-log.ts';
import { auditRequests } from './audit-requests.ts';
import { auditRoutes } from './audit-routes.ts';
import { type AuthenticateDeps, authenticate } from './authenticate.ts';
import { docsRoutes } from './docs-routes.ts';
import { type EventsRoutesDeps, eventsRoutes } from './events-routes.ts';
import { type ClaimTokenRoutesDeps, claimTokenRoutes } from './gateway/claim-token-routes.ts';
import { type HealthDeps, healthRoutes } from './health-routes.ts';
import { keyRoutes } from './key-routes.ts';
import { refuseUnknownQuery } from './refuse-unknown-query.ts';
import { createRouteTable } from './route-table.ts';
import { tenantTokenRoutes } from './tenant-token-routes.ts';
import { traceRequests } from './trace-requests.ts';
import { answerUnknownRoute } from './unknown-route.ts';

export interface ApiDeps
  extends Omit<ClaimRoutesDeps, 'jobs' | 'metrics'>,
    TemplateRoutesDeps,
    HealthDeps,
    ClaimTokenRoutesDeps,
    EventsRoutesDeps,
    AuthenticateDeps,
    Pick<GoldenRoutesDeps, 'goldensNamed'> {
  readonly auditLog: AuditLog;
  readonly clientOf: ReadClient;
  readonly jobs: ClaimRoutesDeps['jobs'] & GoldenRoutesDeps['jobs'];
  readonly log: Pick<Logger, 'error'>;
  /** Takes the spans of requests; undefined: they are not exported. */
  readonly spans?: SpanSink | undefined;
}

const bodyLimitBytes = 1024 * 1024;

/** The whole REST API. It opens nothing and listens nowhere: that is its caller's. */
export function createApiApp(deps: ApiDeps): OpenAPIHono<AppEnv> {
  const app = newRouter();
  app.onError(problemHandler(deps.log));
  app.notFound((c) => answerUnknownRoute(app, c));
  app.use((c, next) => {
    const requestId = randomUUID();
    c.set('requestId', requestId);
    c.set('address', c.env?.incoming === undefined ? '' : deps.clientOf(c.env.incoming).address);
    c.header('X-Request-Id', requestId);
    return next();
  });
  app.use('/v1/*', traceRequests(deps.spans));
  const findRoute = createRouteTable(app);
  app.use('/v1/*', auditRequests(deps.auditLog, findRoute));
  app.use('/v1/*', authenticate(deps)); // before the body: a stranger's is not read
  app.use('/v1/*', refuseUnknownQuery(findRoute));
  app.use('/v1/*', limitBody(bodyLimitBytes));
  healthRoutes(app, deps);
  templateRoutes(app, deps);
  goldenRoutes(app, deps);
  notesRoutes(app, deps);
  aliasRoutes(app, deps);
  exportRoutes(app, deps);
  refreshRoutes(app, deps);
  poolRoutes(app, deps);
  claimRoutes(app, deps);
  tenantRoutes(app, deps);
  claimLifecycleRoutes(app, deps);
  timelineRoutes(app, deps);
  claimTokenRoutes(app, deps);
  instanceRoutes(app, deps);
  nodeRoutes(app, deps);
  operationRoutes(app, deps);
  eventsRoutes(app, deps);
  keyRoutes(app, deps);
  tenantTokenRoutes(app, deps);
  auditRoutes(app, deps);
  docsRoutes(app);
  return app;
}
