import { z } from 'zod';
import { type Instance, InstancePort, InstanceRole } from '#src/instances/instance.ts';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { ClaimId, GoldenId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { poolNotFound } from '#src/pools/store.ts';
import type { ClaimRequest } from './claim.ts';
import { leaseTooLong, quotaExceeded } from './claim-refusals.ts';
import { claimKeys } from './keys.ts';

const claimScript = loadLuaScript(import.meta.url, './lua/claim-instance.lua');
const serveScript = loadLuaScript(import.meta.url, './lua/serve-line.lua');

const idempotencyKeptMs = 24 * 3_600_000;
/** What it takes at most from reserving to recording. Whoever reserved and died loses the claim, and its instance is destroyed. */
const reservationMs = 15_000;

/** An instance that is the claim's and not bound yet. Times in ms since the epoch, by Redis' clock. */
export interface Reservation {
  readonly id: ClaimId;
  readonly pool: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly instance: InstanceId;
  readonly node: string;
  readonly golden: GoldenId | undefined;
  readonly address: string;
  readonly ports: readonly InstancePort[];
  readonly role: Instance['role'];
  /** Of an instance that was made while the claim waited: how long that took (ms). */
  readonly madeInMs: number | undefined;
}

export interface ReserveRequest {
  readonly id: ClaimId;
  readonly pools: readonly string[];
  readonly body: Omit<ClaimRequest, 'env' | 'secrets' | 'ack'>;
  /** Of the API key that asks, which idempotency keys belong to. */
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
  readonly fingerprint: string;
  /** The API process whose memory the claim waits in. */
  readonly api: string;
  /** Asked before in the same request: it comes first in its tenant's line, and counts once. */
  readonly again: boolean;
  readonly trace: string | undefined;
}

const Time = z.coerce.number();
const Ports = z.union([z.literal('').transform(() => []), jsonField(z.array(InstancePort))]);
const Golden = z.union([z.literal('').transform(() => undefined), GoldenId]);
const MadeIn = z.union([z.literal('').transform(() => undefined), z.coerce.number()]);
const Reserved = z
  .tuple([z.literal('reserved'), ClaimId, z.string(), Time, Time, InstanceId, z.string(), Golden, z.string(), Ports, InstanceRole, MadeIn])
  .transform(([, id, pool, createdAt, expiresAt, instance, node, golden, address, ports, role, madeInMs]): Reservation => {
    return { id, pool, createdAt, expiresAt, instance, node, golden, address, ports, role, madeInMs };
  });
const Refused = z.union([
  z.tuple([z.literal('existing'), ClaimId]),
  z.tuple([z.literal('waiting'), Time, z.string()]),
  z.tuple([z.literal('lease_too_long'), z.coerce.number(), z.string()]),
  z.tuple([z.literal('quota'), z.enum(['held', 'claimsPerMinute', 'waiting']), z.coerce.number(), z.string(), MadeIn]),
  z.tuple([z.enum(['pool_not_found', 'unreachable']), z.string()]),
  z.tuple([z.enum(['reused', 'empty'])]),
]);

/** What an API process is told of a claim that waits in it. */
export const Called = z.union([
  Reserved.transform((reservation) => ({ reservation })),
  z.tuple([z.literal('ended'), ClaimId]).transform(([, ended]) => ({ ended })),
]);
export type Called = z.infer<typeof Called>;

/** Of a claim that joined the lines of some pools: the first of them. */
export interface Waiting {
  readonly createdAt: number;
  readonly pool: string;
}

type Reserving = { reservation: Reservation } | { existing: ClaimId } | { waiting: Waiting } | { unreachable: string } | 'empty';

/**
 * One atomic step: the idempotency key, quotas, an instance out of the warm ones or a place in line, the lease. Answers the reservation, the id of
 * the claim that the same idempotency key made before, that it waits, or for one that does not wait `empty`, or the node that has one warm
 * but does not answer.
 * Throws pool_not_found, quota_exceeded, validation_failed for a lease above the pool's, idempotency_key_reused.
 */
export async function reserveInstance(redis: Redis, request: ReserveRequest): Promise<Reserving> {
  const reply = z.array(z.unknown()).parse(await claimScript.run(redis, keysOf(request), argumentsOf(request)));
  if (reply[0] === 'reserved') return { reservation: Reserved.parse(reply) };
  const refused = Refused.parse(reply);
  switch (refused[0]) {
    case 'existing':
      return { existing: refused[1] };
    case 'waiting':
      return { waiting: { createdAt: refused[1], pool: refused[2] } };
    case 'empty':
      return 'empty';
    case 'unreachable':
      return { unreachable: refused[1] };
    case 'pool_not_found':
      throw poolNotFound(refused[1]);
    case 'lease_too_long':
      throw leaseTooLong(refused[2], refused[1]);
    case 'quota':
      throw quotaExceeded(request.body.tenant, refused[1], refused[2], refused[3], refused[4]);
    case 'reused':
      throw new ThawError('idempotency_key_reused', `the idempotency key ${request.idempotencyKey} was used with another body`, {
        fix: 'Send the body of the first request again, or a new key for a new claim.',
      });
  }
}

/** Hands what is warm in a pool to those who wait for it. To be called when a clone became warm; again does no harm. */
export async function serveLine(redis: Redis, pool: string): Promise<void> {
  await serveScript.run(redis, [claimKeys.waitingPools], [keyPrefix, pool, reservationMs]);
}

/** Serves every line there is: makes good what a worker that died had no time for. */
export async function serveAllLines(redis: Redis): Promise<void> {
  for (const pool of await redis.smembers(claimKeys.waitingPools)) await serveLine(redis, pool);
}

function keysOf({ id, body, keyId, idempotencyKey }: ReserveRequest): string[] {
  const idempotency = idempotencyKey === undefined ? [] : [claimKeys.idempotency(keyId, idempotencyKey)];
  return [claimKeys.claim(id), claimKeys.all, claimKeys.tenant(body.tenant), claimKeys.leases, ...idempotency];
}

function argumentsOf({ id, pools, body, keyId, fingerprint, api, again, trace }: ReserveRequest): (string | number)[] {
  const { tenant, labels, leaseMs = '', waitMs, golden, minGolden = '', maxAgeMs = '', coldFallback } = body;
  const pinned = typeof golden === 'number' ? `@${golden}` : (golden ?? '');
  return [
    ...[keyPrefix, id, tenant, JSON.stringify(labels), leaseMs, fingerprint, idempotencyKeptMs, reservationMs, waitMs, api],
    ...[pinned, minGolden, maxAgeMs, coldFallback ? 1 : '', again ? 1 : '', keyId, trace ?? ''],
    ...pools,
  ];
}
