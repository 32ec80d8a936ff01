import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';

interface Upstream {
  readonly claim: string;
  readonly instance: string;
  readonly port: number;
}

/** What an error of the connection to an instance means: the app in it, or the way to it. */
export function upstreamFailure({ claim, instance, port }: Upstream, cause: unknown): ThawError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const options = { fix: 'See what the app says: GET /v1/claims/{claim}/logs.', cause, retryAfterMs: 1000 };
  if (isErrnoError(cause, 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ETIMEDOUT')) {
    const message = `instance ${instance} of claim ${claim} can not be reached at port ${port}`;
    return new ThawError('instance_unreachable', message, { ...options, fix: 'Try again; if it lasts, claim another instance.' });
  }
  if (isErrnoError(cause, 'ECONNREFUSED')) {
    return new ThawError('app_refused', `the app of claim ${claim} does not listen on port ${port}`, options);
  }
  return new ThawError('app_refused', `the app of claim ${claim} on port ${port} did not answer properly: ${why}`, options);
}

export function appSilent({ claim, port }: Upstream, limitMs: number): ThawError {
  const message = `the app of claim ${claim} on port ${port} neither answered nor took anything for ${limitMs} ms`;
  return new ThawError('app_silent', message, { fix: 'See what the app says: GET /v1/claims/{claim}/logs.' });
}
