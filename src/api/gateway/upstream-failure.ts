import type { InstancePort } from '#src/instances/instance.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { messageOf, ThawError } from '#src/platform/errors.ts';
import type { LiveClaim } from './live-claim.ts';

interface Upstream {
  readonly live: Pick<LiveClaim, 'target'>;
  readonly port: Pick<InstancePort, 'port'>;
}

/** What an error of the connection to an instance means: the app in it, or the way to it. */
export function upstreamFailure({ live, port: { port } }: Upstream, cause: unknown): ThawError {
  const { claim, instance } = live.target;
  const options = { fix: 'See what the app says: GET /v1/claims/{claim}/logs.', cause, retryAfterMs: 1000 };
  if (isErrnoError(cause, 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ETIMEDOUT')) {
    const message = `instance ${instance} of claim ${claim} can not be reached at port ${port}`;
    return new ThawError('instance_unreachable', message, { ...options, fix: 'Try again; if it lasts, claim another instance.' });
  }
  if (isErrnoError(cause, 'ECONNREFUSED')) {
    return new ThawError('app_refused', `the app of claim ${claim} does not listen on port ${port}`, options);
  }
  return new ThawError('app_refused', `the app of claim ${claim} on port ${port} did not answer properly: ${messageOf(cause)}`, options);
}

export function appSilent({ live, port: { port } }: Upstream, limitMs: number): ThawError {
  const message = `the app of claim ${live.target.claim} on port ${port} neither answered nor took anything for ${limitMs} ms`;
  return new ThawError('app_silent', message, { fix: 'See what the app says: GET /v1/claims/{claim}/logs.' });
}
