import { z } from '@hono/zod-openapi';
import { notSupportedYet } from '#src/platform/http/not-supported-yet.ts';
import { ClaimId, GoldenId, InstanceId, Name } from '#src/platform/ids.ts';

export const ClaimState = z.enum(['waiting', 'reserved', 'bound', 'active', 'released', 'expired', 'lost', 'failed']);
export type ClaimState = z.infer<typeof ClaimState>;

/** The states a claim can go to. What has ended stays ended. */
const transitions: Readonly<Record<ClaimState, readonly ClaimState[]>> = {
  waiting: ['reserved', 'failed'],
  reserved: ['bound', 'active', 'released', 'failed'],
  bound: ['active', 'released', 'expired', 'lost'],
  active: ['released', 'expired', 'lost'],
  released: [],
  expired: [],
  lost: [],
  failed: [],
};

/** What a script accepts as the state before `to`: the table is the only place that knows. */
export function claimStatesBefore(to: ClaimState): ClaimState[] {
  return ClaimState.options.filter((from) => transitions[from].includes(to));
}

export function hasClaimEnded(state: ClaimState): boolean {
  return transitions[state].length === 0;
}

export const Tenant = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, '1 to 128 of letters, digits and . _ @ -, beginning with a letter or digit')
  .openapi({ example: 'acme' });

const VariableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'a name of letters, digits and _');
const Variables = z.record(VariableName, z.string().max(65_536)).refine((all) => Object.keys(all).length <= 256, 'at most 256');
const Labels = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/), z.string().max(256))
  .refine((all) => Object.keys(all).length <= 64, 'at most 64');
const LeaseMs = z.number().int().min(1000).openapi({ description: 'Of the pool when absent; at most its lease.maxMs', example: 600_000 });

export const ClaimRequest = z
  .strictObject({
    tenant: Tenant,
    leaseMs: LeaseMs.optional(),
    env: Variables.default({}).openapi({ description: 'What the instance finds in /run/thaw/binding.json' }),
    secrets: Variables.default({}).openapi({ description: 'As env, but kept nowhere outside the memory of the instance' }),
    labels: Labels.default({}),
    waitMs: notSupportedYet,
    ack: notSupportedYet,
    coldFallback: notSupportedYet,
    minGolden: notSupportedYet,
    maxAgeMs: notSupportedYet,
    golden: notSupportedYet,
  })
  .openapi('ClaimRequest', { example: { tenant: 'acme', leaseMs: 600_000, env: { PLAN: 'gold' }, secrets: { TOKEN: 's3cret' } } });
export type ClaimRequest = z.infer<typeof ClaimRequest>;

export const RenewRequest = z.strictObject({ leaseMs: LeaseMs.optional() }).openapi('RenewRequest', { example: { leaseMs: 600_000 } });

/** How the instance was had, and what that took. */
export const Receipt = z
  .object({
    path: z.enum(['hot', 'paused', 'primed', 'restored', 'cold']),
    golden: GoldenId.optional(),
    timingsMs: z
      .object({ wait: z.number(), restore: z.number(), bind: z.number(), hook: z.number(), total: z.number() })
      .openapi({ description: 'total: from the request until the instance was bound, the record of it not included' }),
    reason: z.string().optional(),
  })
  .openapi('Receipt');
export type Receipt = z.infer<typeof Receipt>;

export const Endpoint = z.object({
  name: z.string(),
  url: z.string().openapi({ example: 'http://10.77.0.12:8080' }),
  host: z.string(),
  port: z.number().int(),
});
export type Endpoint = z.infer<typeof Endpoint>;

/** A claim as it is kept: no env, no secrets (law 8). Times in ms since the epoch, by Redis' clock. */
export const Claim = z.object({
  id: ClaimId,
  state: ClaimState,
  pool: Name,
  tenant: Tenant,
  labels: z.record(z.string(), z.string()),
  instance: InstanceId,
  node: Name,
  golden: GoldenId.exactOptional(),
  endpoints: z.array(Endpoint),
  receipt: Receipt.exactOptional(),
  createdAt: z.number(),
  expiresAt: z.number(),
  endedAt: z.number().exactOptional(),
  endReason: z.string().exactOptional(),
});
export type Claim = z.infer<typeof Claim>;
