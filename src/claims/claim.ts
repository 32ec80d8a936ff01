import { z } from '@hono/zod-openapi';
import { ClaimId, GoldenId, InstanceId, Name } from '#src/platform/ids.ts';
import { recordOf } from '#src/platform/record-of.ts';

export const ClaimState = z.enum(['waiting', 'reserved', 'bound', 'active', 'released', 'expired', 'lost', 'failed']);
export type ClaimState = z.infer<typeof ClaimState>;

/** The states a claim can go to. What has ended stays ended. */
const transitions: Readonly<Record<ClaimState, readonly ClaimState[]>> = {
  waiting: ['reserved', 'released', 'failed'],
  reserved: ['waiting', 'bound', 'active', 'released', 'failed'],
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
const Variables = recordOf(VariableName, z.string().max(65_536)).refine((all) => Object.keys(all).length <= 256, 'at most 256');
const LabelName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/, 'a name of 1 to 63 letters, digits and . _ / -, beginning with a letter or digit');
const Labels = recordOf(LabelName, z.string().max(256)).refine((all) => Object.keys(all).length <= 64, 'at most 64');
const LeaseMs = z.number().int().min(1000).openapi({ description: 'Of the pool when absent; at most its lease.maxMs', example: 600_000 });

/** Longer than this no proxy on the way keeps a request open. */
export const longestSyncWaitMs = 25_000;
const longestWaitMs = 300_000;

const request = {
  tenant: Tenant,
  leaseMs: LeaseMs.optional(),
  env: Variables.default({}).openapi({ description: 'What the instance finds in /run/thaw/binding.json' }),
  secrets: Variables.default({}).openapi({ description: 'As env, but kept nowhere outside the memory of the instance' }),
  labels: Labels.default({}),
  waitMs: z
    .number()
    .int()
    .min(0)
    .max(longestWaitMs)
    .default(0)
    .openapi({
      description: `How long to wait in line when nothing is warm; above ${longestSyncWaitMs} only with \`Prefer: respond-async\``,
    }),
  ack: z.boolean().default(false).openapi({ description: 'The claim is taken back unless POST …/ack comes within 30 s' }),
  coldFallback: z.boolean().default(false).openapi({
    description:
      'While waiting, take a cold start where no golden can be restored; only where the template allows it, and not with golden, minGolden or maxAgeMs',
  }),
  golden: z
    .union([GoldenId, z.number().int().min(1)], { error: 'a golden such as "search@7", or its number' })
    .optional()
    .openapi({ description: 'Only a clone of this golden; `minGolden` and `maxAgeMs` bound it instead' }),
  minGolden: z.number().int().min(1).optional().openapi({ description: 'Only a clone of a golden of this number or later' }),
  maxAgeMs: z.number().int().min(1).optional().openapi({ description: 'Only a clone of a golden captured no longer ago than this' }),
};

export const ClaimRequest = z
  .strictObject(request)
  .openapi('ClaimRequest', { example: { tenant: 'acme', leaseMs: 600_000, env: { PLAN: 'gold' }, secrets: { TOKEN: 's3cret' } } });
export type ClaimRequest = z.infer<typeof ClaimRequest>;

/** The first of these pools that has an instance serves; a claim that waits stands in the line of each. */
const Pools = z
  .array(Name)
  .min(1)
  .max(16)
  .refine((pools) => new Set(pools).size === pools.length, 'each pool once');

export const ChoiceRequest = z
  .strictObject({ pools: Pools, ...request })
  .openapi('ChoiceRequest', { example: { pools: ['search-big', 'search'], tenant: 'acme' } });

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

export const EndReason = z.enum(['released', 'expired', 'exited', 'oom', 'node_lost', 'admin', 'failed']);
export type EndReason = z.infer<typeof EndReason>;

/** A claim as it is kept: no env, no secrets (law 8). Times in ms since the epoch, by Redis' clock. */
export const Claim = z.object({
  id: ClaimId,
  state: ClaimState,
  /** Of a waiting claim, the first it asked for. */
  pool: Name,
  tenant: Tenant,
  labels: z.record(z.string(), z.string()),
  /** Absent until the claim is reserved, as are node and golden. */
  instance: InstanceId.exactOptional(),
  node: Name.exactOptional(),
  golden: GoldenId.exactOptional(),
  endpoints: z.array(Endpoint),
  receipt: Receipt.exactOptional(),
  createdAt: z.number(),
  /** Of a waiting claim: until when it waits; its lease has not begun. */
  expiresAt: z.number(),
  ackBy: z.number().exactOptional(),
  endedAt: z.number().exactOptional(),
  endReason: EndReason.exactOptional(),
  endDetail: z.string().exactOptional(),
  exitCode: z.number().exactOptional(),
  /** When its instance had become warm. */
  warmAt: z.number().exactOptional(),
  /** Of the API key that made it. */
  key: z.string().exactOptional(),
});
export type Claim = z.infer<typeof Claim>;
