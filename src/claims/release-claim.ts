import type { Claim } from './claim.ts';
import { type EndClaimDeps, endAndDestroy } from './end-and-destroy.ts';
import { requireClaim } from './store.ts';

/**
 * Gives the instance back to be destroyed; a claim that waits leaves the line. One that has ended, released or otherwise, is answered as it is.
 * `by` is the key that asks: an admin's that did not make the claim ends it from outside.
 */
export async function releaseClaim(deps: EndClaimDeps, id: string, by: { keyId: string; role: string }): Promise<Claim> {
  const { key } = await requireClaim(deps.redis, id);
  const isForeign = by.role === 'admin' && key !== undefined && key !== by.keyId;
  const end = isForeign
    ? ({ to: 'released', reason: 'admin', detail: 'ended by an admin' } as const)
    : ({ to: 'released', reason: 'released', detail: 'released by its holder' } as const);
  await endAndDestroy(deps, id, end);
  return requireClaim(deps.redis, id);
}
