import { getInstance } from '#src/instances/store.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import type { InstanceJobs } from '#src/pools/run-plan.ts';
import { type BindClaimDeps, bindClaim } from './bind-claim.ts';
import type { Claim, ClaimRequest } from './claim.ts';
import type { Fingerprint } from './fingerprint.ts';
import { poolEmpty } from './pool-empty.ts';
import { type Reservation, reserveInstance } from './reserve-instance.ts';
import { endClaim, getClaim } from './store.ts';

export interface ClaimInstanceDeps extends BindClaimDeps {
  readonly jobs: Pick<InstanceJobs, 'destroy'>;
  readonly fingerprint: Fingerprint;
}

export interface ClaimCommand {
  readonly pool: string;
  readonly body: ClaimRequest;
  /** Of the API key that asks. */
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
}

/** Instances that are tried for one request; each that can not be bound is destroyed. */
const mostTries = 3;
const deadlineMs = 10_000;

/**
 * Hands one ready instance to a tenant: one script reserves, the node binds, one script records; nothing else is asked on
 * the way. An instance that can not be bound is replaced by another within the request.
 * Throws pool_not_found, pool_empty, idempotency_key_reused, validation_failed, bind_failed, node_unreachable.
 */
export async function claimInstance(deps: ClaimInstanceDeps, command: ClaimCommand): Promise<Claim> {
  const startedAt = performance.now();
  const fingerprint = command.idempotencyKey === undefined ? '-' : deps.fingerprint(command.pool, command.body);
  let failure: ThawError | undefined;
  for (let tries = 0; tries < mostTries && performance.now() - startedAt < deadlineMs; tries++) {
    const reserved = await reserveInstance(deps.redis, { ...command, fingerprint });
    if (reserved === 'empty') throw failure ?? (await poolEmpty(deps.redis, command.pool));
    try {
      const claim =
        'existing' in reserved
          ? await joinClaim(deps, command, reserved.existing, startedAt)
          : await bindOrGiveUp(deps, command, reserved, startedAt);
      if (claim !== undefined) return claim;
    } catch (error) {
      if (!isThawError(error) || isThawError(error, 'node_unreachable')) throw error; // another instance would fare no better
      failure = bindFailed(command.pool, tries + 1, error);
    }
  }
  throw failure ?? bindFailed(command.pool, mostTries);
}

/**
 * Whatever became of a bind that failed, the instance may know the tenant by now: it is destroyed. What is no expected failure
 * (Redis went away) leaves the reservation to a retry under the same idempotency key, or to the sweep.
 */
async function bindOrGiveUp(
  deps: ClaimInstanceDeps,
  { pool, body }: ClaimCommand,
  reserved: Reservation,
  startedAt: number,
): Promise<Claim | undefined> {
  try {
    return await bindClaim(deps, reserved, pool, body, startedAt);
  } catch (error) {
    if (!isThawError(error)) throw error;
    const reason = `could not be bound: ${error.message}`;
    const { release } = await endClaim(deps.redis, reserved.id, { to: 'failed', reason, from: ['reserved'] });
    if (release) await deps.jobs.destroy(release.node, release.instance);
    throw error;
  }
}

function bindFailed(pool: string, tries: number, last?: ThawError): ThawError {
  const why = last === undefined ? 'their claims were ended meanwhile' : `the last: ${last.message}`;
  return new ThawError('bind_failed', `${tries} instances of pool ${pool} could not be bound; ${why}`, {
    fix: last?.fix ?? 'Try again with the same Idempotency-Key.',
    retryAfterMs: 1000,
    ...(last === undefined ? {} : { cause: last }),
  });
}

const joinPollMs = 20;
/** How long the request that reserved has, before one that repeats it finishes its work. */
const joinPatienceMs = 2000;

/**
 * The claim that another request with the same idempotency key made or is making. That one may have died with its process:
 * then this one binds and records in its place, which both may do. Undefined when the claim failed: its key is free again.
 */
async function joinClaim(deps: ClaimInstanceDeps, command: ClaimCommand, id: ClaimId, startedAt: number): Promise<Claim | undefined> {
  for (;;) {
    const claim = await getClaim(deps.redis, id);
    if (claim === undefined || claim.state === 'failed') return undefined;
    if (claim.state !== 'reserved') return claim;
    if (performance.now() - startedAt > joinPatienceMs) return takeOver(deps, command, claim, startedAt);
    await deps.clock.sleep(joinPollMs);
  }
}

async function takeOver(deps: ClaimInstanceDeps, command: ClaimCommand, claim: Claim, startedAt: number): Promise<Claim | undefined> {
  const instance = await getInstance(deps.redis, claim.instance);
  if (instance === undefined || instance.claim !== claim.id) return undefined;
  const { id, createdAt, expiresAt, node, golden } = claim;
  const { address = '', ports } = instance;
  return bindOrGiveUp(deps, command, { id, createdAt, expiresAt, instance: instance.id, node, golden, address, ports }, startedAt);
}
