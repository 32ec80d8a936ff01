import { z } from '@hono/zod-openapi';
import { failureClasses, type ProblemCode, problems, ThawError } from './errors.ts';

/** All there are. */
export const problemCodes: readonly ProblemCode[] = Object.keys(problems).filter(isProblemCode);

/** What `describeFailure` gives, as it is read back from a record or another process. A code of another version reads as `internal`. */
export const Failure = z.object({
  code: z
    .enum(problemCodes)
    .catch('internal')
    .openapi({ type: 'string', enum: [...problemCodes] }),
  class: z
    .enum(failureClasses)
    .catch('bug')
    .openapi({ type: 'string', enum: [...failureClasses] }),
  message: z.string(),
  fix: z.string().optional(),
});
export type Failure = z.infer<typeof Failure>;

/** The failure as an error again: of another process, to be thrown in this one. */
export function thawErrorOf({ code, message, fix }: Failure): ThawError {
  return new ThawError(code, message, fix === undefined ? {} : { fix });
}

function isProblemCode(code: string): code is ProblemCode {
  return code in problems;
}
