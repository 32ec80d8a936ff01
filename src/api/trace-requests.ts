import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { AppEnv } from '#src/platform/http/access.ts';
import { beginTrace, type SpanSink } from '#src/platform/tracing.ts';

/** Gives each request that is traced its trace; `sink` takes the spans, where they are exported. */
export function traceRequests(sink: SpanSink | undefined): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const trace = beginTrace(c.req.header('traceparent'), sink);
    if (trace === undefined) return next();
    c.set('trace', trace);
    const startedAt = performance.now();
    await next(); // an error is an answer by now: the app's error handler has run
    const { status } = c.res;
    const route = matchedRoutes(c).at(-1)?.path ?? c.req.path;
    const attributes = { 'http.request.method': c.req.method, 'http.route': route, 'http.response.status_code': status };
    trace.end(`${c.req.method} ${route}`, startedAt, { failed: status >= 500, attributes });
  };
}
