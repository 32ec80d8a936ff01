import { randomUUID } from 'node:crypto';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { type ClaimRoutesDeps, claimRoutes } from '#src/claims/routes.ts';
import { aliasRoutes } from '#src/goldens/alias-routes.ts';
import { type GoldenRoutesDeps, goldenRoutes } from '#src/goldens/routes.ts';
import { instanceRoutes } from '#src/instances/routes.ts';
import { nodeRoutes } from '#src/nodes/routes.ts';
import { operationRoutes } from '#src/operations/routes.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { problemHandler } from '#src/platform/http/on-error.ts';
import { newRouter } from '#src/platform/http/router.ts';
import type { Logger } from '#src/platform/log.ts';
import { poolRoutes } from '#src/pools/routes.ts';
import { type TemplateRoutesDeps, templateRoutes } from '#src/templates/routes.ts';
import { authenticate } from './authenticate.ts';
import { docsRoutes } from './docs-routes.ts';
import { type HealthDeps, healthRoutes } from './health-routes.ts';
import { keyRoutes } from './key-routes.ts';
import { answerUnknownRoute } from './unknown-route.ts';

export interface ApiDeps extends Omit<ClaimRoutesDeps, 'jobs' | 'metrics'>, TemplateRoutesDeps, HealthDeps {
  readonly jobs: ClaimRoutesDeps['jobs'] & GoldenRoutesDeps['jobs'];
  readonly log: Pick<Logger, 'error'>;
}

const bodyLimitBytes = 1024 * 1024;

/** The whole REST API. It opens nothing and listens nowhere: that is its caller's. */
export function createApiApp(deps: ApiDeps): OpenAPIHono<AppEnv> {
  const app = newRouter();
  app.onError(problemHandler(deps.log));
  app.notFound((c) => answerUnknownRoute(app, c));
  app.use(async (c, next) => {
    const requestId = randomUUID();
    c.set('requestId', requestId);
    c.header('X-Request-Id', requestId);
    await next();
  });
  app.use('/v1/*', authenticate(deps.redis)); // before the body: a stranger's is not read
  app.use(
    '/v1/*',
    bodyLimit({
      maxSize: bodyLimitBytes,
      onError: () => {
        throw new ThawError('body_too_large', `the body is larger than ${bodyLimitBytes} bytes`, { fix: 'Send less.' });
      },
    }),
  );
  healthRoutes(app, deps);
  templateRoutes(app, deps);
  goldenRoutes(app, deps);
  aliasRoutes(app, deps);
  poolRoutes(app, deps);
  claimRoutes(app, deps);
  instanceRoutes(app, deps);
  nodeRoutes(app, deps);
  operationRoutes(app, deps);
  keyRoutes(app, deps);
  docsRoutes(app);
  return app;
}
