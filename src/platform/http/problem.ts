import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { failureClasses, problems, type ThawError } from '#src/platform/errors.ts';
import { problemCodes } from '#src/platform/failure.ts';
import type { AppEnv } from './access.ts';

const WrongField = z.object({
  in: z.enum(['body', 'query', 'path', 'header', 'cookie', 'form']),
  path: z.string().openapi({ description: 'The wrong field, e.g. `ready.http.port`', example: 'ready.http.port' }),
  message: z.string(),
});
export type WrongField = z.infer<typeof WrongField>;

/** RFC 9457 problem details, with our own fields: `code` is stable, `class` says whom to ask, `fix` says what to do next. */
export const Problem = z
  .object({
    type: z.string().openapi({ example: 'urn:thaw:problem:pool_empty' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().openapi({ description: 'What failed, on what, and the limit' }),
    code: z.enum(problemCodes),
    class: z.enum(failureClasses),
    fix: z.string().optional().openapi({ description: 'What to do next' }),
    instance: z.string().optional().openapi({ description: 'The request id, as in the log' }),
    retryAfterMs: z.number().int().optional(),
    errors: z.array(WrongField).max(20).optional().openapi({ description: 'The wrong fields of the request' }),
    moreErrors: z.number().int().optional().openapi({ description: 'How many more there are than `errors` shows' }),
  })
  .openapi('Problem');
export type Problem = z.infer<typeof Problem>;

/** The failure as `application/problem+json`, with Retry-After and WWW-Authenticate where they apply. */
export function answerProblem(c: Context<AppEnv>, error: ThawError): Response {
  c.set('problem', error.code);
  const body = problemOf(error, c.get('requestId'));
  for (const [name, value] of Object.entries(problemHeaders(error))) c.header(name, value);
  return c.body(JSON.stringify(body), error.status as ContentfulStatusCode, { 'Content-Type': 'application/problem+json' });
}

export function problemOf(error: ThawError, requestId?: string): Problem {
  return {
    ...error.details,
    type: `urn:thaw:problem:${error.code}`,
    title: problems[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    class: error.class,
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    ...(requestId === undefined ? {} : { instance: requestId }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(error.retryAfterMs) }),
  };
}

export function problemHeaders({ retryAfterMs, status }: ThawError): Record<string, string> {
  return {
    ...(retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="thaw"' } : {}),
  };
}
