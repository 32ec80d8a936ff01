import { z } from '@hono/zod-openapi';
import { validationFailed } from './validation-failed.ts';
import { wholeNumber } from './whole-number.ts';

/** Of every list: at most `limit` items, from where the `cursor` of the page before points. */
export const ListQuery = z.strictObject({
  limit: wholeNumber({ min: 1, max: 200 }).default(50).openapi({ default: 50 }),
  cursor: z.string().min(1).max(512).optional().openapi({ description: '`nextCursor` of the page before; opaque' }),
});
export type ListQuery = z.infer<typeof ListQuery>;

export interface Page<T> {
  readonly items: T[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

export function pageOf<S extends z.ZodType>(item: S) {
  return z.object({ items: z.array(item), nextCursor: z.string().optional() });
}

/** A place in a list (an id, a name, a rank) as the opaque text that clients send back. */
export function encodeCursor(place: string): string {
  return Buffer.from(place).toString('base64url');
}

/** Throws validation_failed for text that encodeCursor did not make. */
export function decodeCursor(cursor: string): string {
  const place = Buffer.from(cursor, 'base64url').toString();
  if (encodeCursor(place) === cursor) return place;
  throw validationFailed(
    [{ in: 'query', path: 'cursor', message: 'not one that a list answered' }],
    'Send `nextCursor` of the page before as it is, or no cursor.',
  );
}
