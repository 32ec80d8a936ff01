import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { hashFields, jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import { ClaimId, InstanceId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { type PageQuery, readNewest } from '#src/platform/sorted-page.ts';
import { Claim, ClaimState, claimStatesBefore, Endpoint, Receipt } from './claim.ts';
import { claimKeys } from './keys.ts';

const activateScript = loadLuaScript(import.meta.url, './lua/activate-claim.lua');
const endScript = loadLuaScript(import.meta.url, './lua/end-claim.lua');
const findLostScript = loadLuaScript(import.meta.url, './lua/find-lost-claims.lua');
const forgetScript = loadLuaScript(import.meta.url, './lua/forget-claims.lua');

/** Reserved → active. Answers the state that was found: anything but `reserved` means that nothing was changed. */
export async function activateClaim(
  redis: Redis,
  id: ClaimId,
  result: { readonly receipt: Receipt; readonly endpoints: readonly Endpoint[] },
): Promise<ClaimState | undefined> {
  const fields = hashFields({ receipt: result.receipt, endpoints: result.endpoints });
  const reply = await activateScript.run(redis, [claimKeys.claim(id), claimKeys.leases], [id, ...fields]);
  return z.union([ClaimState, z.literal('').transform(() => undefined)]).parse(reply);
}

export interface ClaimEnd {
  readonly to: 'released' | 'expired' | 'lost' | 'failed';
  readonly reason: string;
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
  readonly ended: boolean;
  /** Taken from the tenant by this call: the caller has it destroyed. */
  readonly release?: { readonly instance: InstanceId; readonly node: string };
}

/** Atomic. A claim that fails gives its idempotency key free. */
export async function endClaim(redis: Redis, id: string, { to, reason, from, onlyWhenDue = false }: ClaimEnd): Promise<EndedClaim> {
  const allowed = claimStatesBefore(to).filter((state) => from === undefined || from.includes(state));
  const reply = EndReply.parse(
    await endScript.run(
      redis,
      [claimKeys.claim(id), claimKeys.leases, claimKeys.ended],
      [id, to, allowed.map((state) => `${state},`).join(''), reason.slice(0, 1000), onlyWhenDue ? 1 : 0, keyPrefix],
    ),
  );
  const [before, ended, instance, node] = reply;
  return {
    before: before === '' ? undefined : before,
    ended: ended === 1,
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
    fix: 'GET /v1/claims lists those there are; one that ended is kept for a day.',
  });
}

/** Newest first; of one tenant, or all. */
export async function listClaims(redis: Redis, query: PageQuery & { readonly tenant?: string | undefined }): Promise<Page<Claim>> {
  const key = query.tenant === undefined ? claimKeys.all : claimKeys.tenant(query.tenant);
  const { members, nextCursor } = await readNewest(redis, key, query);
  const found = await Promise.all(members.map((id) => getClaim(redis, id)));
  const items = found.filter((claim) => claim !== undefined);
  return nextCursor === undefined ? { items } : { items, nextCursor };
}

/** At most `count` claims whose lease or reservation is over. */
export async function findDueClaims(redis: Redis, count: number): Promise<string[]> {
  return redis.zrangebyscore(claimKeys.leases, '-inf', await redisTimeMs(redis), 'LIMIT', 0, count);
}

/** Looks at live claims from a rank on; `lost` are those whose instance no longer serves them. */
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
  endedAt: z.coerce.number().exactOptional(),
});

function parseClaim(hash: Readonly<Record<string, string>>): Claim | undefined {
  const set = Object.fromEntries(Object.entries(hash).filter(([, value]) => value !== ''));
  return 'id' in set ? ClaimHash.parse(set) : undefined;
}
