import type { Context, Hono } from 'hono';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { answerProblem } from '#src/platform/http/problem.ts';
import { shorten } from '#src/platform/http/validation-failed.ts';

const methods = ['GET', 'POST', 'PUT', 'DELETE'];

/** 405 with Allow where the path exists under another method, 404 otherwise. */
export function answerUnknownRoute(app: Pick<Hono<AppEnv>, 'router'>, c: Context<AppEnv>): Response {
  const { method, path } = c.req;
  const shown = shorten(path, 200);
  const allowed = methods.filter((other) => app.router.match(other, path)[0].some(([[, route]]) => route.method === other));
  if (allowed.length === 0) {
    return answerProblem(c, new ThawError('not_found', `there is no route ${method} ${shown}`, { fix: '/docs shows the routes.' }));
  }
  c.header('Allow', allowed.join(', '));
  const message = `${shown} does not know ${method}; it knows ${allowed.join(', ')}`;
  return answerProblem(c, new ThawError('method_not_allowed', message, { fix: '/docs shows the routes.' }));
}
