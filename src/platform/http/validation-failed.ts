import { ThawError } from '#src/platform/errors.ts';
import type { WrongField } from './problem.ts';

/** A request can be wrong in as many places as fit into its body; its answer stays small. */
const shownFields = 20;
const shownInDetail = 3;
const longestPath = 100;
const longestMessage = 200;

/** The request does not fit its schema, in these places. `fields` has one at least. */
export function validationFailed(
  fields: readonly WrongField[],
  fix = 'Correct the fields listed in `errors`; /docs shows the schema.',
): ThawError {
  const errors = fields.slice(0, shownFields).map(({ in: place, path, message }) => ({
    in: place,
    path: shorten(path, longestPath),
    message: shorten(message, longestMessage),
  }));
  const named = errors.slice(0, shownInDetail).map((error) => `${error.path || error.in}: ${error.message}`);
  const unnamed = fields.length - named.length;
  return new ThawError('validation_failed', [...named, ...(unnamed > 0 ? [`and ${unnamed} more`] : [])].join('; '), {
    fix,
    details: { errors, ...(fields.length > shownFields ? { moreErrors: fields.length - shownFields } : {}) },
  });
}

/** What a client sent is shown so far only: enough to know it again. */
export function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
