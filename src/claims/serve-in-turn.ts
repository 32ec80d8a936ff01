import { isThawError } from '#src/platform/errors.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import { BindFailure, bindOrGiveUp, giveUp } from './bind-or-give-up.ts';
import type { Claim } from './claim.ts';
import type { Attempt, ClaimInstanceDeps } from './claim-command.ts';
import { gaveUp, hungUp } from './claim-refusals.ts';
import { getClaim } from './store.ts';
import { leaveLine, reservationOf, waitInLine } from './wait-in-line.ts';
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
): Promise<Claim | undefined> {
  const { command, waitUntilMs } = attempt;
  const stop = AbortSignal.any([signal, deps.waitingRoom.closing]);
  const called = await waitInLine(deps, id, seat, { untilMs: waitUntilMs, signal: stop });
  if (called === 'ended') return undefined;
  if (called !== 'gaveUp' && !signal.aborted) return bindOrGiveUp(deps, attempt, called);
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
  if (!signal.aborted) return bindOrGiveUp(deps, attempt, reservation);
  await giveUp(deps, id, why);
  throw hungUp();
}

/** A claim whose caller has its answer already: what becomes of it is on its record. */
export async function serveLater(deps: ClaimInstanceDeps, attempt: Attempt, id: ClaimId, seat: Seat): Promise<void> {
  try {
    await serveInTurn(deps, attempt, id, seat, new AbortController().signal);
  } catch (error) {
    if (!isThawError(error) && !(error instanceof BindFailure))
      deps.log.error({ err: error, claim: id }, 'a waiting claim could not be served');
  } finally {
    seat[Symbol.dispose]();
  }
}
