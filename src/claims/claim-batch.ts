import { z } from '@hono/zod-openapi';
import { describeFailure, isThawError, problems } from '#src/platform/errors.ts';
import { Failure } from '#src/platform/failure.ts';
import type { Actor } from '#src/platform/http/access.ts';
import { ChoiceRequest } from './claim.ts';
import type { Claimed } from './claim-command.ts';
import { ClaimView, viewClaim } from './view-claim.ts';

export const BatchRequest = z.strictObject({ claims: z.array(ChoiceRequest).min(1).max(100) }).openapi('BatchRequest', {
  example: { claims: [{ pools: ['search'], tenant: 'acme' }] },
});

const BatchItem = z.object({
  status: z.number().int().openapi({ description: 'What a request of its own would have been answered with', example: 201 }),
  replayed: z.literal(true).optional().openapi({ description: 'An earlier request with the same idempotency key made it' }),
  claim: ClaimView.optional(),
  problem: Failure.extend({ retryAfterMs: z.number().optional() }).optional(),
});

export const BatchAnswer = z.object({ items: z.array(BatchItem) }).openapi('BatchAnswer');

/**
 * Makes the claims side by side, all at once: those that wait stand in line together. Each ends by itself. What is no expected failure ends
 * the whole.
 */
export async function claimBatch(
  { claims }: z.infer<typeof BatchRequest>,
  actor: Actor,
  claim: (request: z.infer<typeof ChoiceRequest>, index: number) => Promise<Claimed>,
): Promise<z.infer<typeof BatchItem>[]> {
  return Promise.all(
    claims.map(async (request, index) => {
      try {
        const made = await claim(request, index);
        return { status: 201, ...(made.replayed && { replayed: true as const }), claim: viewClaim(made.claim, actor) };
      } catch (error) {
        if (!isThawError(error)) throw error;
        const { retryAfterMs } = error;
        return {
          status: problems[error.code].status,
          problem: { ...describeFailure(error), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
        };
      }
    }),
  );
}
