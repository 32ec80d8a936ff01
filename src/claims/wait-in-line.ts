import { z } from 'zod';
import { getInstance } from '#src/instances/store.ts';
import type { Clock } from '#src/platform/clock.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type Claim, ClaimState } from './claim.ts';
import type { EndClaimDeps } from './end-and-destroy.ts';
import { claimKeys } from './keys.ts';
import type { Reservation } from './reserve-instance.ts';
import { getClaim } from './store.ts';
import type { Seat } from './waiting-room.ts';

const leaveScript = loadLuaScript(import.meta.url, './lua/leave-line.lua');
const returnScript = loadLuaScript(import.meta.url, './lua/return-to-line.lua');

export interface WaitDeps {
  readonly redis: Redis;
  readonly clock: Clock;
}

/** A call may be missed while the subscription is being made again. */
const lookEveryMs = 1000;

/** Waits until the claim is reserved; `gaveUp` when the time is over or the signal says so, `ended` when someone else ended it. */
export async function waitInLine(
  { redis, clock }: WaitDeps,
  claim: Claim['id'],
  seat: Seat,
  { untilMs, signal }: { readonly untilMs: number; readonly signal: AbortSignal },
): Promise<Reservation | 'gaveUp' | 'ended'> {
  const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
  const onAbort = () => abort();
  signal.addEventListener('abort', onAbort); // taken off again: a signal that is listened to is kept for as long as its sources live
  try {
    for (;;) {
      const restMs = untilMs - clock.nowMs();
      if (signal.aborted || restMs <= 0) return 'gaveUp';
      const called = await Promise.race([seat.called, aborted, clock.sleep(Math.min(restMs, lookEveryMs))]);
      if (called) return 'reservation' in called ? called.reservation : 'ended';
      const now = await getClaim(redis, claim);
      if (now?.state === 'reserved') return (await reservationOf(redis, now)) ?? 'ended';
      if (now?.state !== 'waiting') return 'ended';
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What a claim that is reserved and not bound holds; undefined when it holds nothing any more. */
export async function reservationOf(redis: Redis, claim: Claim): Promise<Reservation | undefined> {
  const instance = claim.instance === undefined ? undefined : await getInstance(redis, claim.instance);
  if (instance === undefined || instance.claim !== claim.id) return undefined;
  const { id, pool, createdAt, expiresAt, node = instance.node, golden } = claim;
  const { address = '', ports, role, warmAt = 0, timingsMs } = instance;
  const madeInMs = warmAt >= createdAt ? (timingsMs.total ?? 0) : undefined; // as take-instance.lua tells it
  return { id, pool, createdAt, expiresAt, instance: instance.id, node, golden, address, ports, role, madeInMs };
}

const LeftReply = z.tuple([z.union([ClaimState, z.literal('').transform(() => undefined)]), z.number(), z.number()]);

export interface Left {
  /** `waiting`: it has left the line. Anything else: it was served or ended meanwhile, and nothing was changed. */
  readonly before: ClaimState | undefined;
  readonly place: number;
  readonly waiting: number;
}

/** Ends a claim that waits no longer. Nothing is kept of one whose id nobody was told (not `isKnown`): such claims come again and again. */
export async function leaveLine(
  redis: Redis,
  claim: Claim['id'],
  { why, isKnown }: { readonly why: string; readonly isKnown: boolean },
): Promise<Left> {
  const [before, place, waiting] = LeftReply.parse(await leaveScript.run(redis, [], [keyPrefix, claim, why, isKnown ? '' : 1]));
  return { before, place, waiting };
}

const ReturnReply = z.tuple([z.union([ClaimState, z.literal('')]), z.union([z.literal(0), z.literal(1)])]);

/** Has the instance of a reserved claim destroyed, and the claim wait for another, before the others of its tenant. Of one that was ended meanwhile it does nothing. */
export async function returnToLine(
  { redis, jobs }: EndClaimDeps,
  { id, node, instance }: Reservation,
  { waitMs, cold, why }: { readonly waitMs: number; readonly cold: boolean; readonly why: string },
): Promise<void> {
  const args = [keyPrefix, id, Math.ceil(waitMs), cold ? 1 : 0, why.slice(0, 1000)];
  const [, isReleased] = ReturnReply.parse(await returnScript.run(redis, [claimKeys.claim(id), claimKeys.leases], args));
  if (isReleased === 1) await jobs.destroy(node, instance);
}
