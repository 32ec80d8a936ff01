import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from '#src/pools/run-plan.ts';
import type { Claim } from './claim.ts';
import { claimNotFound, endClaim, requireClaim } from './store.ts';

export interface EndClaimDeps {
  readonly redis: Redis;
  readonly jobs: Pick<InstanceJobs, 'destroy'>;
}

/** Gives the instance back to be destroyed. A claim that has ended, released or otherwise, is answered as it is. */
export async function releaseClaim({ redis, jobs }: EndClaimDeps, id: string): Promise<Claim> {
  const { before, release } = await endClaim(redis, id, { to: 'released', reason: 'released by its holder' });
  if (before === undefined) throw claimNotFound(id);
  if (release) await jobs.destroy(release.node, release.instance);
  return requireClaim(redis, id);
}
