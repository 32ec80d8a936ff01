import type { ClaimId } from '#src/platform/ids.ts';
import { bindOrGiveUp } from './bind-or-give-up.ts';
import type { Attempt, Claimed, ClaimInstanceDeps } from './claim-command.ts';
import { hungUp } from './claim-refusals.ts';
import { poolEmpty } from './pool-empty.ts';
import { getClaim } from './store.ts';
import { reservationOf } from './wait-in-line.ts';

const joinPollMs = 20;
/** Of one that waits in line: its turn may be minutes away. */
const waitingPollMs = 200;
/** How long the request that reserved has, before one that repeats it finishes its work. */
const joinPatienceMs = 2000;

/**
 * The claim that another request with the same idempotency key made or is making. That one may have died with its process:
 * then this one binds and records in its place, which both may do. Undefined when the claim failed: its key is free again, and a caller
 * who hung up makes no other with it.
 */
export async function joinClaim(deps: ClaimInstanceDeps, attempt: Attempt, id: ClaimId): Promise<Claimed | undefined> {
  let reservedSince: number | undefined;
  for (;;) {
    const claim = await getClaim(deps.redis, id);
    const hasFailed = claim === undefined || claim.state === 'failed';
    if ((hasFailed || claim.state === 'waiting') && attempt.command.hungUp().aborted) throw hungUp();
    if (hasFailed) return undefined;
    if (claim.state === 'waiting') {
      if (attempt.command.respondAsync) return { claim, replayed: true };
      if (deps.clock.nowMs() > attempt.waitUntilMs) throw await poolEmpty(deps.redis, attempt.command.pools);
    } else if (claim.state !== 'reserved') {
      return { claim, replayed: true };
    } else {
      reservedSince ??= performance.now();
      if (performance.now() - reservedSince > joinPatienceMs) {
        const reservation = await reservationOf(deps.redis, claim);
        const bound = reservation && (await bindOrGiveUp(deps, attempt, reservation));
        return bound && { claim: bound, replayed: true };
      }
    }
    await deps.clock.sleep(claim.state === 'waiting' ? waitingPollMs : joinPollMs);
  }
}
