import type { ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { isThawError, type ProblemCode, ThawError } from '#src/platform/errors.ts';
import type { Logger } from '#src/platform/log.ts';
import { isRedisGone } from '#src/platform/redis.ts';
import type { AppEnv } from './access.ts';
import { answerProblem } from './problem.ts';

/** Answers every failure as problem details. A bug is logged with its request id, and only the id is answered. */
export function problemHandler(log: Pick<Logger, 'error'>): ErrorHandler<AppEnv> {
  return (error, c) => {
    if (isThawError(error)) return answerProblem(c, error);
    if (error instanceof HTTPException) return answerProblem(c, refusalOf(error));
    if (isRedisGone(error)) return answerProblem(c, redisUnavailable(error));
    const requestId = c.get('requestId');
    log.error({ err: error, requestId, trace: c.get('trace')?.traceId, method: c.req.method, path: c.req.path }, 'a bug ended a request');
    return answerProblem(
      c,
      new ThawError('internal', `a bug in Thaw ended this request; its log line has the request id ${requestId}`, {
        fix: 'Report it with the log line of that request id.',
      }),
    );
  };
}

export function redisUnavailable(cause: unknown): ThawError {
  return new ThawError('redis_unavailable', 'Redis does not answer; nothing can be read or changed until it does', {
    fix: 'Try again in a moment with the same Idempotency-Key; `thaw doctor` tells what is wrong with Redis.',
    retryAfterMs: 1000,
    cause,
  });
}

/** Hono's own refusals: body parsing and the body limit throw them. */
const refusals: Readonly<Record<number, readonly [ProblemCode, string, string]>> = {
  400: ['malformed_json', 'the body is not valid JSON', 'Send a JSON object.'],
  413: ['body_too_large', 'the body is larger than 1 MB', 'Send less; the limit is 1048576 bytes.'],
  415: ['unsupported_media_type', 'the body must be JSON with Content-Type: application/json', 'Set that content type.'],
};

function refusalOf(error: HTTPException): ThawError {
  const [code, message, fix] = refusals[error.status] ?? ['internal', error.message, 'Report this.'];
  return new ThawError(code, message, { fix, cause: error });
}
