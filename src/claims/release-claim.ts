import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from '#src/pools/run-plan.ts';
import type { Claim } from './claim.ts';
import { endClaim, requireClaim } from './store.ts';

export interface EndClaimDeps {
  readonly redis: Redis;
  readonly jobs: Pick<InstanceJobs, 'destroy'>;
}

/**
 * Gives the instance back to be destroyed; a claim that waits leaves the line. One that has ended, released or otherwise, is answered as it is.
 * `by` is the key that asks: an admin's that did not make the claim ends it from outside.
 */
export async function releaseClaim({ redis, jobs }: EndClaimDeps, id: string, by: { keyId: string; role: string }): Promise<Claim> {
  const { key } = await requireClaim(redis, id);
  const isForeign = by.role === 'admin' && key !== undefined && key !== by.keyId;
  const end = isForeign
    ? ({ to: 'released', reason: 'admin', detail: 'ended by an admin' } as const)
    : ({ to: 'released', reason: 'released', detail: 'released by its holder' } as const);
  const { release } = await endClaim(redis, id, end);
  if (release) await jobs.destroy(release.node, release.instance);
  return requireClaim(redis, id);
}
