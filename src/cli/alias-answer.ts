import { z } from 'zod';

/** Of an alias as REST answers it, what the commands that move one need. */
export const AliasAnswer = z.object({ alias: z.string(), golden: z.number(), previous: z.number().optional(), etag: z.string() });

/** `stable of search points to search@7; before: search@6`. */
export function describeAlias(template: string, { alias, golden, previous }: z.infer<typeof AliasAnswer>): string {
  const before = previous === undefined ? '' : `; before: ${template}@${previous}`;
  return `${alias} of ${template} points to ${template}@${golden}${before}`;
}
