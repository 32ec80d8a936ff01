import { z } from 'zod';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type Claim, ClaimState } from './claim.ts';
import { claimEnded, leaseTooLong, notHeldYet } from './claim-refusals.ts';
import { claimKeys } from './keys.ts';
import { claimNotFound, requireClaim } from './store.ts';

const renewScript = loadLuaScript(import.meta.url, './lua/renew-claim.lua');

const Reply = z.union([
  z.tuple([z.literal('renewed'), z.coerce.number()]),
  z.tuple([z.literal('ended'), ClaimState]),
  z.tuple([z.literal('lease_too_long'), z.coerce.number()]),
  z.tuple([z.enum(['absent', 'waiting'])]),
]);

/** The lease then ends `leaseMs` from now; without one, the pool's default. Throws claim_not_found, claim_not_held, claim_ended, validation_failed. */
export async function renewClaim(redis: Redis, id: string, leaseMs: number | undefined): Promise<Claim> {
  const keys = [claimKeys.claim(id), claimKeys.leases, claimKeys.warnings];
  const reply = Reply.parse(await renewScript.run(redis, keys, [keyPrefix, id, leaseMs ?? '']));
  if (reply[0] === 'absent') throw claimNotFound(id);
  const claim = await requireClaim(redis, id);
  if (reply[0] === 'waiting') throw notHeldYet(claim);
  if (reply[0] === 'lease_too_long') throw leaseTooLong(claim.pool, reply[1]);
  if (reply[0] === 'ended') throw claimEnded(claim, reply[1]);
  return claim;
}
