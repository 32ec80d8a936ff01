import { z } from '@hono/zod-openapi';

/** A whole number in a path or a query, in decimal digits and no other notation (not `0x10`, `1e2`, `007`, ` 5` or nothing). */
export function wholeNumber({ min, max }: { readonly min: number; readonly max: number }) {
  return z
    .string()
    .regex(/^(?:0|[1-9][0-9]{0,14})$/, `a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .openapi({ type: 'integer', minimum: min, maximum: max });
}
