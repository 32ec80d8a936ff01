import { z } from '@hono/zod-openapi';

/** Headers of a PUT or DELETE that may be made conditional. */
export const IfMatchHeaders = z.object({
  'if-match': z.string().max(200).optional().openapi({ description: 'Refused with 412 unless the resource still has this ETag' }),
});

/** Headers of a POST that creates: the same key with the same body answers with what the first request made. */
export const IdempotencyHeaders = z.object({
  'idempotency-key': z.string().min(1).max(200).optional().openapi({ description: 'Kept for 24 hours', example: 'order-4711' }),
});

/** The bare etag that If-Match names, or `*`; stores compare it atomically with what they write. An empty one names none and never matches. */
export function parseIfMatch(header: string | undefined): string | undefined {
  const etag = header?.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
  return etag === '' ? 'none' : etag;
}
