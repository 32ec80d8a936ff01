import { isThawError, type ThawError } from '#src/platform/errors.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import { bindClaim } from './bind-claim.ts';
import type { Claim } from './claim.ts';
import type { Attempt, ClaimInstanceDeps } from './claim-command.ts';
import type { Reservation } from './reserve-instance.ts';
import { endClaim } from './store.ts';

/** The instance is gone and its claim failed; another one may fare better. */
export class BindFailure extends Error {
  override readonly name = 'BindFailure';
  override readonly cause: ThawError;

  constructor(cause: ThawError) {
    super(cause.message);
    this.cause = cause;
  }
}

/**
 * Whatever became of a bind that failed, the instance may know the tenant by now: it is destroyed. What is no expected failure
 * (Redis went away) leaves the reservation to a retry under the same idempotency key, or to the sweep.
 * Throws BindFailure, node_unreachable; undefined when the claim was ended meanwhile.
 */
export async function bindOrGiveUp(
  deps: ClaimInstanceDeps,
  { command, startedAt }: Attempt,
  reserved: Reservation,
): Promise<Claim | undefined> {
  try {
    return await bindClaim(deps, reserved, command.body, startedAt);
  } catch (error) {
    if (!isThawError(error)) throw error;
    await giveUp(deps, reserved.id, `its instance could not be bound: ${error.message}`);
    if (isThawError(error, 'node_unreachable')) throw error; // another instance would fare no better
    throw new BindFailure(error);
  }
}

/** Ends a claim that is reserved and not bound, and has its instance destroyed. */
export async function giveUp({ redis, jobs }: ClaimInstanceDeps, id: ClaimId, detail: string): Promise<void> {
  const { release } = await endClaim(redis, id, { to: 'failed', reason: 'failed', detail, from: ['reserved'] });
  if (release) await jobs.destroy(release.node, release.instance);
}
