import { isThawError } from '#src/platform/errors.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import { BindFailure, bindOrGiveUp, fail, type GiveUp, mostTries } from './bind-or-give-up.ts';
import type { Claim } from './claim.ts';
import type { Attempt, ClaimInstanceDeps } from './claim-command.ts';
import { gaveUp, hungUp } from './claim-refusals.ts';
import { getClaim } from './store.ts';
import { leaveLine, reservationOf, returnToLine, waitInLine } from './wait-in-line.ts';
import type { Seat } from './waiting-room.ts';

/**
 * Waits until it is the claim's turn and binds what it is given. A client that hangs up leaves the line and holds nothing.
 * Throws pool_empty with its place in line when its time is over; undefined when the claim was ended meanwhile.
 */
export async function serveInTurn(
  deps: ClaimInstanceDeps,
  attempt: Attempt,
  id: ClaimId,
  seat: Seat,
  signal: AbortSignal,
  bindFails?: GiveUp,
): Promise<Claim | undefined> {
  const { command, waitUntilMs } = attempt;
  const stop = AbortSignal.any([signal, deps.waitingRoom.closing]);
  const called = await waitInLine(deps, id, seat, { untilMs: waitUntilMs, signal: stop });
  if (called === 'ended') return undefined;
  if (called !== 'gaveUp' && !signal.aborted) return bindOrGiveUp(deps, attempt, called, bindFails);
  const why = signal.aborted
    ? 'the client hung up'
    : stop.aborted
      ? 'the API was stopped'
      : `nothing became free for it within ${command.body.waitMs} ms`;
  const left = await leaveLine(deps.redis, id, { why, isKnown: command.respondAsync });
  if (left.before === 'waiting') throw signal.aborted ? hungUp() : await gaveUp(deps.redis, command.pools[0], why, left);
  if (left.before !== 'reserved') return undefined;
  // Served at the last moment: to nobody, if the client is gone.
  const claim = await getClaim(deps.redis, id);
  const reservation = claim && (await reservationOf(deps.redis, claim));
  if (reservation === undefined) return undefined;
  if (!signal.aborted) return bindOrGiveUp(deps, attempt, reservation, bindFails);
  await fail(deps, reservation, why);
  throw hungUp();
}

/**
 * A claim whose caller has its answer already: what becomes of it is on its record. Its id is promised, so that one whose instance could not be
 * bound goes back to the head of its line for another.
 */
export async function serveLater(deps: ClaimInstanceDeps, attempt: Attempt, id: ClaimId, firstSeat: Seat): Promise<void> {
  const { signal } = new AbortController();
  let seat = firstSeat;
  let tries = 1;
  const tryAnother: GiveUp = async (_deps, reserved, detail) => {
    const waitMs = attempt.waitUntilMs - deps.clock.nowMs();
    if (tries === mostTries || waitMs <= 0) return fail(deps, reserved, detail);
    seat[Symbol.dispose]();
    seat = await deps.waitingRoom.enter(id); // before it joins the line again, so that the call is not missed
    await returnToLine(deps, reserved, { waitMs, cold: attempt.command.body.coldFallback, why: detail });
  };
  try {
    for (; tries <= mostTries; tries++) {
      const isServed = await serveInTurn(deps, attempt, id, seat, signal, tryAnother).then(() => true, rethrowUnlessBind);
      if (isServed) return;
    }
  } catch (error) {
    if (!isThawError(error)) deps.log.error({ err: error, claim: id }, 'a waiting claim could not be served');
  } finally {
    seat[Symbol.dispose]();
  }
}

function rethrowUnlessBind(error: unknown): false {
  if (error instanceof BindFailure) return false;
  throw error;
}
