import type { EndClaimDeps } from '#src/claims/release-claim.ts';
import { forgetOldClaims, loseOrphanedClaims } from '#src/claims/sweep-claims.ts';

/** What one worker of all does now and then. Safe to repeat, and beside another run: each claim is ended once. */
export async function processHousekeeping(deps: EndClaimDeps): Promise<void> {
  await loseOrphanedClaims(deps);
  await forgetOldClaims(deps);
}
