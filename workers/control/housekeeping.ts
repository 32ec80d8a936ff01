import type { EndClaimDeps } from '#src/claims/end-and-destroy.ts';
import { forgetOldClaims, loseOrphanedClaims } from '#src/claims/sweep-claims.ts';
import { tellNodeStates } from '#src/nodes/store.ts';
import { dropOldArrivals } from '#src/pools/arrivals.ts';

/** What one worker of all does now and then. Safe to repeat, and beside another run: each claim is ended once. */
export async function processHousekeeping(deps: EndClaimDeps): Promise<void> {
  await loseOrphanedClaims(deps);
  await forgetOldClaims(deps);
  await dropOldArrivals(deps.redis);
  await tellNodeStates(deps.redis);
}
