import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from '#src/pools/run-plan.ts';
import type { ClaimState } from './claim.ts';
import { type ClaimEnd, endClaim } from './store.ts';

export interface EndClaimDeps {
  readonly redis: Redis;
  readonly jobs: Pick<InstanceJobs, 'destroy'>;
}

/**
 * Ends a claim, if its state allows it, and has the instance destroyed that this took from the tenant. Answers the state that was found, undefined
 * when there is no such claim. A crash between the two is made good by findLostJobs.
 */
export async function endAndDestroy({ redis, jobs }: EndClaimDeps, id: string, end: ClaimEnd): Promise<ClaimState | undefined> {
  const { before, release } = await endClaim(redis, id, end);
  if (release) await jobs.destroy(release.node, release.instance);
  return before;
}
