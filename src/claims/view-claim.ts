import { z } from '@hono/zod-openapi';
import type { Role } from '#src/platform/http/access.ts';
import { ClaimId, GoldenId, InstanceId } from '#src/platform/ids.ts';
import { type Claim, ClaimState, Endpoint, EndReason, Receipt } from './claim.ts';

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
    instance: z
      .object({ id: InstanceId, node: z.string().optional(), golden: GoldenId.optional(), endpoints: z.array(Endpoint) })
      .optional()
      .openapi({ description: 'Absent while the claim waits. Tenants do not see nodes.' }),
    receipt: Receipt.optional(),
    ackBy: z.iso.datetime().optional().openapi({ description: 'A `bound` claim is taken back unless it is acknowledged by then' }),
    endedAt: z.iso.datetime().optional(),
    endReason: EndReason.optional(),
    endDetail: z.string().optional().openapi({ description: 'What happened, in words' }),
    exitCode: z.number().int().optional().openapi({ description: 'Of an instance that ended by itself' }),
  })
  .openapi('Claim');

export function viewClaim(claim: Claim, { role }: { readonly role: Role }): z.infer<typeof ClaimView> {
  const { instance: id, node, golden, endpoints, createdAt, expiresAt, endedAt, ackBy, key: _key, warmAt: _warmAt, ...rest } = claim;
  return {
    ...rest,
    createdAt: timeOf(createdAt),
    expiresAt: timeOf(expiresAt),
    ...(ackBy === undefined || claim.state !== 'bound' ? {} : { ackBy: timeOf(ackBy) }),
    ...(endedAt === undefined ? {} : { endedAt: timeOf(endedAt) }),
    ...(id === undefined ? {} : { instance: viewInstance(id, role === 'tenant' ? undefined : node, golden, endpoints) }),
  };
}

function viewInstance(id: InstanceId, node: string | undefined, golden: GoldenId | undefined, endpoints: Endpoint[]) {
  return { id, ...(node === undefined ? {} : { node }), endpoints, ...(golden === undefined ? {} : { golden }) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
