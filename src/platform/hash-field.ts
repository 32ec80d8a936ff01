import { z } from 'zod';

/** A field of a Redis hash that holds JSON, read and checked. */
export function jsonField<S extends z.ZodType>(schema: S) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'not JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

/** Names and values for HSET; fields that are undefined are left as they are. Objects are written as JSON. */
export function hashFields(values: Readonly<Record<string, string | number | object | undefined>>): (string | number)[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [name, typeof value === 'object' ? JSON.stringify(value) : value];
  });
}
