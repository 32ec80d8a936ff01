import { z } from '@hono/zod-openapi';
import { ClaimId, GoldenId, InstanceId } from '#src/platform/ids.ts';
import { type Claim, ClaimState, Endpoint, Receipt } from './claim.ts';

/** A claim as REST shows it. */
export const ClaimView = z
  .object({
    id: ClaimId,
    state: ClaimState,
    pool: z.string(),
    tenant: z.string(),
    labels: z.record(z.string(), z.string()),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    instance: z.object({ id: InstanceId, node: z.string(), golden: GoldenId.optional(), endpoints: z.array(Endpoint) }),
    receipt: Receipt.optional(),
    endedAt: z.iso.datetime().optional(),
    endReason: z.string().optional().openapi({ description: 'Why it ended' }),
  })
  .openapi('Claim');

export function viewClaim(claim: Claim): z.infer<typeof ClaimView> {
  const { instance: id, node, golden, endpoints, createdAt, expiresAt, endedAt, ...rest } = claim;
  return {
    ...rest,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
    ...(endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }),
    instance: { id, node, endpoints, ...(golden === undefined ? {} : { golden }) },
  };
}
