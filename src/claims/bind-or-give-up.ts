import { isThawError, type ThawError } from '#src/platform/errors.ts';
import { bindClaim } from './bind-claim.ts';
import type { Claim } from './claim.ts';
import type { Attempt, ClaimInstanceDeps } from './claim-command.ts';
import { endAndDestroy } from './end-and-destroy.ts';
import type { Reservation } from './reserve-instance.ts';

/** Instances that are tried for one claim. */
export const mostTries = 3;

/** The instance is gone and its claim failed; another one may fare better. */
export class BindFailure extends Error {
  override readonly name = 'BindFailure';
  override readonly cause: ThawError;

  constructor(cause: ThawError) {
    super(cause.message);
    this.cause = cause;
  }
}

/** What becomes of a claim whose instance could not be bound: the instance is destroyed in any case. */
export type GiveUp = (deps: ClaimInstanceDeps, reserved: Reservation, detail: string) => Promise<void>;

/**
 * Whatever became of a bind that failed, the instance may know the tenant by now: it is destroyed. What is no expected failure
 * (Redis went away) leaves the reservation to a retry under the same idempotency key, or to the sweep.
 * Throws BindFailure; undefined when the claim was ended meanwhile.
 */
export async function bindOrGiveUp(
  deps: ClaimInstanceDeps,
  { command, startedAt }: Attempt,
  reserved: Reservation,
  giveUp: GiveUp = fail,
): Promise<Claim | undefined> {
  try {
    return await bindClaim(deps, reserved, command.body, startedAt);
  } catch (error) {
    if (!isThawError(error)) throw error;
    await giveUp(deps, reserved, `its instance could not be bound: ${error.message}`);
    throw new BindFailure(error);
  }
}

/** Ends a claim that is reserved and not bound. */
export const fail: GiveUp = async (deps, { id }, detail) => {
  await endAndDestroy(deps, id, { to: 'failed', reason: 'failed', detail, from: ['reserved'] });
};
