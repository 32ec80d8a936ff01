import { z } from 'zod';
import { InstancePort } from '#src/instances/instance.ts';
import { instanceKeys } from '#src/instances/keys.ts';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { ClaimId, GoldenId, InstanceId, newClaimId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { poolKeys, poolNotFound } from '#src/pools/store.ts';
import type { ClaimRequest } from './claim.ts';
import { claimKeys } from './keys.ts';

const claimScript = loadLuaScript(import.meta.url, './lua/claim-instance.lua');

const idempotencyKeptMs = 24 * 3_600_000;
/** What it takes at most from reserving to recording. Whoever reserved and died loses the claim, and its instance is destroyed. */
const reservationMs = 15_000;

/** An instance that is the claim's and not bound yet. Times in ms since the epoch, by Redis' clock. */
export interface Reservation {
  readonly id: ClaimId;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly instance: InstanceId;
  readonly node: string;
  readonly golden: GoldenId | undefined;
  readonly address: string;
  readonly ports: readonly InstancePort[];
}

export interface ReserveRequest {
  readonly pool: string;
  readonly body: Pick<ClaimRequest, 'tenant' | 'labels' | 'leaseMs'>;
  /** Of the API key that asks, which idempotency keys belong to. */
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
  readonly fingerprint: string;
}

const Time = z.coerce.number();
const Ports = z.union([z.literal('').transform(() => []), jsonField(z.array(InstancePort))]);
const Golden = z.union([z.literal('').transform(() => undefined), GoldenId]);
const Reply = z.union([
  z.tuple([z.literal('reserved'), Time, Time, InstanceId, z.string(), Golden, z.string(), Ports]),
  z.tuple([z.literal('existing'), ClaimId]),
  z.tuple([z.literal('lease_too_long'), z.coerce.number()]),
  z.tuple([z.enum(['reused', 'pool_not_found', 'empty'])]),
]);

/**
 * One atomic step: the idempotency key, the pool's lease limits, an instance out of the warm ones, the lease. Answers the
 * reservation, the id of the claim that the same idempotency key made before, or `empty`.
 * Throws pool_not_found, validation_failed for a lease above the pool's, idempotency_key_reused.
 */
export async function reserveInstance(redis: Redis, request: ReserveRequest): Promise<Reservation | { existing: ClaimId } | 'empty'> {
  const { pool, body, keyId, idempotencyKey } = request;
  const id = newClaimId();
  const keys = [
    poolKeys.pool(pool),
    instanceKeys.poolState(pool, 'warm'),
    instanceKeys.poolState(pool, 'claimed'),
    claimKeys.claim(id),
    claimKeys.all,
    claimKeys.tenant(body.tenant),
    claimKeys.leases,
    ...(idempotencyKey === undefined ? [] : [claimKeys.idempotency(keyId, idempotencyKey)]),
  ];
  const labels = JSON.stringify(body.labels);
  const lease = body.leaseMs ?? '';
  const limits = [idempotencyKeptMs, reservationMs, keyPrefix];
  const reply = Reply.parse(await claimScript.run(redis, keys, [id, pool, body.tenant, labels, lease, request.fingerprint, ...limits]));
  switch (reply[0]) {
    case 'reserved': {
      const [, createdAt, expiresAt, instance, node, golden, address, ports] = reply;
      return { id, createdAt, expiresAt, instance, node, golden, address, ports };
    }
    case 'existing':
      return { existing: reply[1] };
    case 'empty':
      return 'empty';
    case 'pool_not_found':
      throw poolNotFound(pool);
    case 'lease_too_long':
      throw leaseTooLong(pool, reply[1]);
    case 'reused':
      throw new ThawError('idempotency_key_reused', `the idempotency key ${idempotencyKey} was used for pool ${pool} with another body`, {
        fix: 'Send the body of the first request again, or a new key for a new claim.',
      });
  }
}

export function leaseTooLong(pool: string, maxMs: number): ThawError {
  const message = `at most ${maxMs} ms, the lease.maxMs of pool ${pool}`;
  return new ThawError('validation_failed', `leaseMs: ${message}`, {
    fix: `Ask for a lease of at most ${maxMs} ms and renew the claim in time, or raise lease.maxMs of the pool.`,
    details: { errors: [{ in: 'body', path: 'leaseMs', message }] },
  });
}
