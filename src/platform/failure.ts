import { z } from '@hono/zod-openapi';
import { type FailureClass, type ProblemCode, problems } from './errors.ts';

const codes: readonly ProblemCode[] = Object.keys(problems).filter(isProblemCode);
const classes: readonly FailureClass[] = ['request', 'capacity', 'template', 'golden', 'node', 'conflict', 'bug'];

/** What `describeFailure` gives, as it is read back from a record or another process. A code of another version reads as `internal`. */
export const Failure = z.object({
  code: z
    .enum(codes)
    .catch('internal')
    .openapi({ type: 'string', enum: [...codes] }),
  class: z
    .enum(classes)
    .catch('bug')
    .openapi({ type: 'string', enum: [...classes] }),
  message: z.string(),
  fix: z.string().optional(),
});
export type Failure = z.infer<typeof Failure>;

function isProblemCode(code: string): code is ProblemCode {
  return code in problems;
}
