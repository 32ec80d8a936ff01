import { ThawError } from '#src/platform/errors.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { Redis } from '#src/platform/redis.ts';
import { estimateRestoreMs } from '#src/pools/restore-times.ts';
import type { Claim, ClaimState } from './claim.ts';
import type { Left } from './wait-in-line.ts';

/** Every instance that was tried failed its bind. */
export function bindFailed(pools: readonly string[], tries: number, last?: ThawError): ThawError {
  const why = last === undefined ? 'their claims were ended meanwhile' : `the last: ${last.message}`;
  const where = pools.length === 1 ? `pool ${pools[0]}` : `pools ${pools.join(', ')}`;
  return new ThawError('bind_failed', `${tries} instances of ${where} could not be bound; ${why}`, {
    fix: last?.fix ?? 'Try again with the same Idempotency-Key.',
    retryAfterMs: 1000,
    ...(last === undefined ? {} : { cause: last }),
  });
}

/** The refusal of a claim that waited in vain: where it stood, and when its turn might have come. */
export async function gaveUp(redis: Redis, pool: string, why: string, { place, waiting }: Left): Promise<ThawError> {
  const estimateMs = place * (await estimateRestoreMs(redis, pool));
  return new ThawError('pool_empty', `the claim left the line of pool ${pool}: ${why}; it was number ${place} of ${waiting} in line`, {
    fix: 'Wait longer (waitMs, with `Prefer: respond-async` up to 5 minutes), or raise size.ready of the pool.',
    retryAfterMs: estimateMs,
    details: { line: { place, waiting, estimateMs } },
  });
}

/** Nobody reads it; the log does. */
export function hungUp(): ThawError {
  return new ThawError('client_closed_request', 'the client hung up while its claim waited in line', { fix: 'Nothing is held.' });
}

export function leaseTooLong(pool: string, maxMs: number): ThawError {
  return validationFailed(
    [{ in: 'body', path: 'leaseMs', message: `at most ${maxMs} ms, the lease.maxMs of pool ${pool}` }],
    `Ask for a lease of at most ${maxMs} ms and renew the claim in time, or raise lease.maxMs of the pool.`,
  );
}

/** `pool` is '' where it is the tenant's limit in all pools together. */
export function quotaExceeded(tenant: string, which: string, limit: number, pool: string, fitsInMs: number | undefined): ThawError {
  const where = pool === '' ? '' : ` of pool ${pool}`;
  const fixes: Readonly<Record<string, string>> = {
    held: 'Release a claim first',
    claimsPerMinute: 'Try again after Retry-After',
    waiting: 'Wait for the answers of those that wait',
  };
  return new ThawError('quota_exceeded', `tenant ${tenant} has reached its limit${where}: ${which} ${limit}`, {
    fix: `${fixes[which]}, or have an admin raise ${pool === '' ? `the limits of the tenant` : `perTenant.${which} of the pool`}.`,
    retryAfterMs: fitsInMs ?? 1000,
    details: { limit: { name: which, value: limit, ...(pool === '' ? {} : { pool }) } },
  });
}

export function notHeldYet({ id, state }: Claim): ThawError {
  return new ThawError('claim_not_held', `claim ${id} is ${state}: it holds no instance yet`, {
    fix: 'Read it until it is active, or follow /v1/events?claim=.',
    retryAfterMs: 1000,
  });
}

export function claimEnded({ id, endDetail }: Claim, state: ClaimState): ThawError {
  return new ThawError('claim_ended', `claim ${id} is ${state}${endDetail === undefined ? '' : ` (${endDetail})`}`, {
    fix: 'Claim another instance; what has ended does not come back.',
  });
}
