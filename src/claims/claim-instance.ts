import { isThawError, ThawError } from '#src/platform/errors.ts';
import { type ClaimId, newClaimId } from '#src/platform/ids.ts';
import { unreachablePatienceMs, unreachablePauseMs } from './bind-claim.ts';
import { BindFailure, bindOrGiveUp, mostTries } from './bind-or-give-up.ts';
import type { Claim } from './claim.ts';
import type { Attempt, ClaimCommand, Claimed, ClaimInstanceDeps } from './claim-command.ts';
import { bindFailed } from './claim-refusals.ts';
import { joinClaim } from './join-claim.ts';
import { poolEmpty } from './pool-empty.ts';
import { type ReserveRequest, reserveInstance, type Waiting } from './reserve-instance.ts';
import { serveInTurn, serveLater } from './serve-in-turn.ts';

/** Beside the time it may wait. */
const deadlineMs = 10_000;

/**
 * Hands one ready instance to a tenant: one script reserves, the node binds, one script records; nothing else is asked on
 * the way. An instance that can not be bound is replaced by another within the request. What is not warm is waited for, if the request allows it.
 * Throws pool_not_found, pool_empty, quota_exceeded, idempotency_key_reused, validation_failed, bind_failed, node_unreachable.
 */
export async function claimInstance(deps: ClaimInstanceDeps, command: ClaimCommand): Promise<Claimed> {
  const { body, idempotencyKey } = command;
  const attempt = { command, startedAt: performance.now(), waitUntilMs: deps.clock.nowMs() + body.waitMs };
  const fingerprint = idempotencyKey === undefined ? '-' : deps.fingerprint(command.pools, body);
  let failure: ThawError | undefined;
  for (let tries = 0; tries < mostTries && performance.now() - attempt.startedAt < deadlineMs + body.waitMs; tries++) {
    try {
      const claimed = await tryOnce(deps, attempt, fingerprint, tries > 0);
      if (claimed === 'empty') throw failure ?? (await poolEmpty(deps.redis, command.pools));
      if (claimed !== undefined) return claimed;
    } catch (error) {
      if (!(error instanceof BindFailure)) throw error;
      failure = isThawError(error.cause, 'node_unreachable') ? error.cause : bindFailed(command.pools, tries + 1, error.cause);
    }
  }
  throw failure ?? bindFailed(command.pools, mostTries);
}

/** Undefined: the claim was ended meanwhile, and another one may be made. */
async function tryOnce(
  deps: ClaimInstanceDeps,
  attempt: Attempt,
  fingerprint: string,
  again: boolean,
): Promise<Claimed | 'empty' | undefined> {
  const { command } = attempt;
  const id = newClaimId();
  const waitMs = Math.max(0, attempt.waitUntilMs - deps.clock.nowMs());
  // Entered before the line is joined, so that the call is not missed.
  const seat = waitMs === 0 ? undefined : await deps.waitingRoom.enter(id);
  let isLeft = true;
  try {
    const request = {
      ...command,
      id,
      fingerprint,
      again,
      api: deps.waitingRoom.id,
      body: { ...command.body, waitMs },
    };
    const outcome = await reserveReachable(deps, request);
    if (outcome === 'empty') return 'empty';
    if ('existing' in outcome) return await joinClaim(deps, attempt, outcome.existing);
    if ('reservation' in outcome) return fresh(await bindOrGiveUp(deps, attempt, outcome.reservation));
    if (seat === undefined) throw new Error(`claim ${id} waits, but was not asked to`);
    if (!command.respondAsync) return fresh(await serveInTurn(deps, attempt, id, seat, command.hungUp()));
    isLeft = false;
    void serveLater(deps, attempt, id, seat);
    return { claim: waitingClaim(command, id, outcome.waiting), replayed: false };
  } finally {
    if (isLeft) seat?.[Symbol.dispose]();
  }
}

/** Throws node_unreachable when all that is warm stays on nodes that do not answer: at once, when such a node has had its time already. */
async function reserveReachable({ redis, clock }: ClaimInstanceDeps, request: ReserveRequest) {
  const untilMs = clock.nowMs() + (request.again ? 0 : unreachablePatienceMs);
  for (let { again } = request; ; again = true) {
    const outcome = await reserveInstance(redis, { ...request, again });
    if (outcome === 'empty' || !('unreachable' in outcome)) return outcome;
    if (clock.nowMs() < untilMs) {
      await clock.sleep(unreachablePauseMs);
      continue;
    }
    const message = `the agent of node ${outcome.unreachable}, which has the warm instances, does not answer`;
    throw new ThawError('node_unreachable', message, {
      fix: 'See whether the agent of that node runs; `thaw up` starts it.',
      retryAfterMs: 1000,
    });
  }
}

/** As it was when it joined the line: it may have been served since, and then there is more to read of it. */
function waitingClaim({ body: { tenant, labels, waitMs } }: ClaimCommand, id: ClaimId, { createdAt, pool }: Waiting): Claim {
  return { id, state: 'waiting', pool, tenant, labels, endpoints: [], createdAt, expiresAt: createdAt + waitMs };
}

function fresh(claim: Claim | undefined): Claimed | undefined {
  return claim && { claim, replayed: false };
}
