import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ZodType } from 'zod';
import { jsonResponse } from './json.ts';
import { validationFailed } from './validation-failed.ts';

/** Headers of a PUT or DELETE that may be made conditional. */
export const IfMatchHeaders = z.object({
  'if-match': z.string().max(200).optional().openapi({ description: 'Refused with 412 unless the resource still has this ETag' }),
});

const etagHeader = { ETag: { schema: { type: 'string' as const }, description: 'For If-Match' } };

/** An answer that setEtag is called for. */
export function etagResponse<S extends ZodType>(description: string, schema: S) {
  return { ...jsonResponse(description, schema), headers: etagHeader };
}

export function setEtag(c: Context, etag: string): void {
  c.header('ETag', `"${etag}"`);
}

/** The bare etag that If-Match names, or `*`; stores compare it atomically with what they write. An empty one names none and never matches. */
export function parseIfMatch(header: string | undefined): string | undefined {
  const etag = header?.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
  return etag === '' ? 'none' : etag;
}

const longestIdempotencyKey = 200;

/** For `parameters` of a POST that creates, whose handler reads it by readIdempotencyKey. */
export const idempotencyKeyParameter = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  description: 'The same key with the same body answers with what the first request made; kept for 24 hours',
  schema: { type: 'string' as const, minLength: 1, maxLength: longestIdempotencyKey },
  example: 'order-4711',
};

/**
 * Read by its name: a schema of headers in a route's `request` makes zod-openapi 1.6 copy all headers there are, which is a sixth of what a
 * claim costs this process. Throws validation_failed.
 */
export function readIdempotencyKey(c: Context): string | undefined {
  const key = c.req.header('idempotency-key');
  if (key === undefined || (key.length >= 1 && key.length <= longestIdempotencyKey)) return key;
  throw validationFailed([{ in: 'header', path: 'idempotency-key', message: `1 to ${longestIdempotencyKey} characters` }]);
}
