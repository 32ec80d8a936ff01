import { z } from 'zod';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type Claim, ClaimState, hasClaimEnded } from './claim.ts';
import { claimEnded, notHeldYet } from './claim-refusals.ts';
import { claimKeys } from './keys.ts';
import { claimNotFound, requireClaim } from './store.ts';

const acknowledgeScript = loadLuaScript(import.meta.url, './lua/acknowledge-claim.lua');

/** Its holder knows of the claim: bound → active. Again does no harm. Throws claim_not_found, claim_ended, claim_not_held. */
export async function acknowledgeClaim(redis: Redis, id: string): Promise<Claim> {
  const reply = await acknowledgeScript.run(redis, [claimKeys.claim(id), claimKeys.leases], [keyPrefix, id]);
  const before = z.union([ClaimState, z.literal('')]).parse(reply);
  if (before === '') throw claimNotFound(id);
  const claim = await requireClaim(redis, id);
  if (before === 'waiting' || before === 'reserved') throw notHeldYet(claim);
  if (hasClaimEnded(before)) throw claimEnded(claim, before);
  return claim;
}
