import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { hashFields, jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import { ClaimId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { type PageQuery, readNewest } from '#src/platform/sorted-page.ts';
import { Claim, ClaimState, claimStatesBefore, Endpoint, type EndReason, Receipt } from './claim.ts';
import { claimKeys } from './keys.ts';

const activateScript = loadLuaScript(import.meta.url, './lua/activate-claim.lua');
const endScript = loadLuaScript(import.meta.url, './lua/end-claim.lua');
const findLostScript = loadLuaScript(import.meta.url, './lua/find-lost-claims.lua');
const touchScript = loadLuaScript(import.meta.url, './lua/touch-claim.lua');
const warnScript = loadLuaScript(import.meta.url, './lua/warn-claims.lua');
const forgetScript = loadLuaScript(import.meta.url, './lua/forget-claims.lua');

/** How long the holder of a claim with `ack` has to acknowledge it. */
const ackWithinMs = 30_000;

const Activated = z.tuple([
  z.union([ClaimState, z.literal('gone'), z.literal('').transform(() => undefined)]),
  z.union([z.literal('').transform(() => undefined), z.coerce.number()]),
]);

/**
 * Reserved → active, or bound where it is to be acknowledged, by `ackBy`. `before` is the state that was found: anything but `reserved` means that
 * nothing was changed; `gone`, that its instance was lost meanwhile.
 */
export async function activateClaim(
  redis: Redis,
  id: ClaimId,
  { ack, receipt, endpoints }: { readonly receipt: Receipt; readonly endpoints: readonly Endpoint[]; readonly ack: boolean },
): Promise<{ before: ClaimState | 'gone' | undefined; state: 'active' | 'bound'; ackBy: number | undefined }> {
  const keys = [claimKeys.claim(id), claimKeys.leases, claimKeys.warnings];
  const reply = await activateScript.run(redis, keys, [keyPrefix, id, ack ? ackWithinMs : '', ...hashFields({ receipt, endpoints })]);
  const [before, ackBy] = Activated.parse(reply);
  return { before, state: ack ? 'bound' : 'active', ackBy };
}

export interface ClaimEnd {
  readonly to: 'released' | 'expired' | 'lost' | 'failed';
  readonly reason: EndReason;
  /** What happened, in words. Absent for what is due: the record tells what was over. */
  readonly detail?: string;
  readonly exitCode?: number | undefined;
  /** Narrows what the transition table allows. */
  readonly from?: readonly ClaimState[];
  /** Only when its lease, or its reservation, is over by Redis' clock. */
  readonly onlyWhenDue?: boolean;
}

const EndReply = z.union([
  z.tuple([ClaimState, z.literal(1), InstanceId, z.string()]),
  z.tuple([z.union([ClaimState, z.literal('')]), z.union([z.literal(0), z.literal(1)])]),
]);

export interface EndedClaim {
  /** Undefined: there is no such claim. */
  readonly before: ClaimState | undefined;
  /** Taken from the tenant by this call: the caller has it destroyed. */
  readonly release?: { readonly instance: InstanceId; readonly node: string };
}

/** Atomic. A claim that fails gives its idempotency key free. */
export async function endClaim(redis: Redis, id: string, end: ClaimEnd): Promise<EndedClaim> {
  const { to, reason, detail = '', exitCode = '', from, onlyWhenDue = false } = end;
  const allowed = claimStatesBefore(to).filter((state) => from === undefined || from.includes(state));
  const reply = EndReply.parse(
    await endScript.run(
      redis,
      [claimKeys.claim(id), claimKeys.leases, claimKeys.ended, claimKeys.warnings],
      [keyPrefix, id, to, allowed.map((state) => `${state},`).join(''), onlyWhenDue ? 1 : 0, reason, detail.slice(0, 1000), exitCode],
    ),
  );
  const [before, , instance, node] = reply;
  return {
    before: before === '' ? undefined : before,
    ...(instance === undefined || node === undefined ? {} : { release: { instance, node } }),
  };
}

export async function getClaim(redis: Redis, id: string): Promise<Claim | undefined> {
  return parseClaim(await redis.hgetall(claimKeys.claim(id)));
}

/** Throws claim_not_found. */
export async function requireClaim(redis: Redis, id: string): Promise<Claim> {
  const claim = await getClaim(redis, id);
  if (claim === undefined) throw claimNotFound(id);
  return claim;
}

export function claimNotFound(id: string): ThawError {
  return new ThawError('claim_not_found', `there is no claim ${id}`, {
    fix: 'GET /v1/claims lists those there are; one that ended is kept for 7 days.',
  });
}

/** Newest first; of one tenant, or all. */
export async function listClaims(redis: Redis, query: PageQuery & { readonly tenant?: string | undefined }): Promise<Page<Claim>> {
  const key = query.tenant === undefined ? claimKeys.all : claimKeys.tenant(query.tenant);
  const { members, ...next } = await readNewest(redis, key, query);
  const found = await Promise.all(members.map((id) => getClaim(redis, id)));
  return { items: found.filter((claim) => claim !== undefined), ...next };
}

/** Notes that a claim is in use: where the pool's lease.idleMs is set, its lease ends when it is not. */
export async function touchClaim(redis: Redis, id: string): Promise<void> {
  await touchScript.run(redis, [claimKeys.claim(id), claimKeys.leases], [id]);
}

/** Announces the end of at most `count` leases that are almost over. Answers how many it looked at. */
export async function warnClaims(redis: Redis, count: number): Promise<number> {
  return z.number().parse(await warnScript.run(redis, [claimKeys.warnings], [keyPrefix, count]));
}

/** At most `count` claims whose lease or reservation is over. */
export async function findDueClaims(redis: Redis, count: number): Promise<string[]> {
  return redis.zrangebyscore(claimKeys.leases, '-inf', await redisTimeMs(redis), 'LIMIT', 0, count);
}

/** Looks at claims that have not ended from a rank on; `lost` are those whose instance no longer serves them. */
export async function findLostClaims(redis: Redis, rank: number, count: number): Promise<{ looked: number; lost: ClaimId[] }> {
  const reply = await findLostScript.run(redis, [claimKeys.leases], [rank, count, keyPrefix]);
  const [looked, ...lost] = z.tuple([z.coerce.number()], ClaimId).parse(reply);
  return { looked, lost };
}

/** Removes at most `count` claims that ended more than `keptMs` ago. Answers how many. */
export async function forgetClaims(redis: Redis, keptMs: number, count: number): Promise<number> {
  return z.number().parse(await forgetScript.run(redis, [claimKeys.ended, claimKeys.all], [keptMs, count, keyPrefix]));
}

const ClaimHash = z.object({
  ...Claim.shape,
  labels: jsonField(Claim.shape.labels),
  endpoints: jsonField(z.array(Endpoint)).default([]),
  receipt: jsonField(Receipt).exactOptional(),
  createdAt: z.coerce.number(),
  expiresAt: z.coerce.number(),
  ackBy: z.coerce.number().exactOptional(),
  warmAt: z.coerce.number().exactOptional(),
  endedAt: z.coerce.number().exactOptional(),
  exitCode: z.coerce.number().exactOptional(),
});

function parseClaim(hash: Readonly<Record<string, string>>): Claim | undefined {
  const set = Object.fromEntries(Object.entries(hash).filter(([, value]) => value !== ''));
  return 'id' in set ? ClaimHash.parse(set) : undefined;
}
