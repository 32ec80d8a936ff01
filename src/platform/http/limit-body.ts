import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from './access.ts';

/**
 * Refuses larger bodies with body_too_large. A length that is announced is believed: the HTTP parser holds the sender to it. Only a body
 * without one is counted as it comes, because as much as looking at `Request.body` makes @hono/node-server 2.1 build a whole Request and a
 * web stream, which costs more than the rest of a claim's way to its handler.
 */
export function limitBody(maxBytes: number): MiddlewareHandler<AppEnv> {
  const tooLarge = () => {
    throw new ThawError('body_too_large', `the body is larger than ${maxBytes} bytes`, { fix: 'Send less.' });
  };
  const countBytes = bodyLimit({ maxSize: maxBytes, onError: tooLarge });
  return (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    const announced = c.req.header('content-length');
    if (announced === undefined || c.req.header('transfer-encoding') !== undefined) return countBytes(c, next);
    return Number(announced) > maxBytes ? tooLarge() : next();
  };
}
