import { z } from '@hono/zod-openapi';
import { notSupportedYet } from '#src/platform/http/not-supported-yet.ts';
import { Name } from '#src/platform/ids.ts';

const Count = z.number({
  error: (issue) => (typeof issue.input === 'string' ? 'a number; shares such as "25%" are not supported yet' : 'a whole number'),
});
const minuteMs = 60_000;
const longestLeaseMs = 30 * 24 * 60 * minuteMs;
const LeaseMs = z.number().int().min(1000).max(longestLeaseMs);

const Size = z
  .strictObject({
    ready: Count.int().min(0).max(10_000).openapi({ description: 'Instances kept ready to be claimed' }),
    max: Count.int().min(1).max(10_000).openapi({ description: 'Never more instances than this, claimed ones included' }),
  })
  .refine((size) => size.ready <= size.max, { error: 'must not be above size.max', path: ['ready'] });

const Lease = z
  .strictObject({
    defaultMs: LeaseMs.default(15 * minuteMs).openapi({ description: 'Of a claim that asks for none' }),
    maxMs: LeaseMs.default(24 * 60 * minuteMs).openapi({ description: 'The longest lease that a claim or a renewal may ask for' }),
    idleMs: notSupportedYet,
  })
  .refine((lease) => lease.defaultMs <= lease.maxMs, { error: 'must not be above lease.maxMs', path: ['defaultMs'] });

/** How many clones of which golden are kept ready, and for how long a tenant may hold one. */
export const PoolSpec = z
  .strictObject({
    template: Name,
    golden: z
      .union([Name, z.number().int().min(1).max(999_999_999)], { error: 'an alias such as "stable", or the number of a golden' })
      .default('stable')
      .openapi({ description: 'An alias, which the pool follows when it moves, or the number of a golden' }),
    size: Size,
    lease: Lease.prefault({}),
    tiers: notSupportedYet,
    perTenant: notSupportedYet,
    rollout: notSupportedYet,
  })
  .openapi('PoolSpec', { example: { template: 'search', golden: 'stable', size: { ready: 5, max: 20 }, lease: { defaultMs: 900_000 } } });
export type PoolSpec = z.infer<typeof PoolSpec>;

/** A pool as it is kept. Times in ms since the epoch, by Redis' clock. */
export const Pool = z.object({ name: Name, spec: PoolSpec, etag: z.string(), createdAt: z.number(), updatedAt: z.number() });
export type Pool = z.infer<typeof Pool>;

/** What a pool is like right now. */
export const PoolStatus = z
  .object({
    warm: z.number().int().openapi({ description: 'Ready to be claimed' }),
    restoring: z.number().int().openapi({ description: 'Being restored or made ready' }),
    claimed: z.number().int(),
    wanted: z.number().int().openapi({ description: 'How many should be warm: size.ready, less where size.max leaves no room' }),
    golden: z.string().optional().openapi({ description: 'What new clones are restored from', example: 'search@7' }),
    reason: z.string().optional().openapi({ description: 'Why the pool is not as wanted' }),
  })
  .openapi('PoolStatus');
export type PoolStatus = z.infer<typeof PoolStatus>;
