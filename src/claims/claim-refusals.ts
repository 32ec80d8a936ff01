import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { estimateRestoreMs } from './pool-empty.ts';
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
