import { z } from 'zod';

export const Port = z.number().int().min(1).max(65535);

/** What becomes an argument or a variable of a process ends at the first NUL. */
export function text(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(/^[^\0]*$/, 'no NUL');
}

/** Where an app is asked: by a readiness probe, a warm-up request, a hook. */
export const HttpTarget = z.strictObject({
  port: Port,
  path: z
    .string()
    .max(1024)
    .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with /, of printable ASCII without blanks'),
});

/** What is run inside an instance to ask its app. */
export const ExecTarget = z.strictObject({ command: z.array(text(4096)).min(1).max(256) });
