import { z } from '@hono/zod-openapi';
import { type Actor, visibleTenant } from '#src/platform/http/access.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Claim } from './claim.ts';
import { claimNotFound, requireClaim } from './store.ts';

export const ClaimParams = z.object({ claim: z.string().max(64).openapi({ example: 'clm-0123456789abcdef' }) });

/** Throws claim_not_found, also for what another tenant holds. */
export async function requireVisibleClaim(redis: Redis, actor: Actor, id: string): Promise<Claim> {
  const claim = await requireClaim(redis, id);
  const tenant = visibleTenant(actor);
  if (tenant !== undefined && tenant !== claim.tenant) throw claimNotFound(id);
  return claim;
}
