import { createHash } from 'node:crypto';
import { ThawError } from './errors.ts';

/** Of what is stored, as text: equal texts have equal etags. */
export function etagOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** `what` as a sentence names it: `pool web`. `etag` is the one that is stored, '' when there is nothing. */
export function preconditionFailed(what: string, etag: string, ifMatch: string): ThawError {
  const now = etag === '' ? 'does not exist' : `has the ETag "${etag}"`;
  return new ThawError('precondition_failed', `${what} ${now}, If-Match asks for ${ifMatch}`, {
    fix: 'Read it again, apply the change to what it says now and send that with its ETag.',
  });
}
