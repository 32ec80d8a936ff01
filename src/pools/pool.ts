import { z } from '@hono/zod-openapi';
import { Failure } from '#src/platform/failure.ts';
import { notSupportedYet } from '#src/platform/http/not-supported-yet.ts';
import { GoldenId, Name } from '#src/platform/ids.ts';
import { RolloutState } from '#src/pools/rollout/rollout.ts';
import { RolloutPolicy } from './rollout-policy.ts';
import { TenantLimits } from './tenant-limits.ts';

const readyError = 'a whole number from 0 to 10000, or a share of the claimed ones from "1%" to "999%"';
const Count = z.number({ error: 'a whole number' });
/** Of those that tenants hold: from 1% to 999%. */
const Share = z.string().regex(/^[1-9]\d{0,2}%$/, readyError);
const minuteMs = 60_000;
const longestLeaseMs = 30 * 24 * 60 * minuteMs;
const LeaseMs = z.number().int().min(1000).max(longestLeaseMs);

const Size = z
  .strictObject({
    ready: z.union([Count.int().min(0).max(10_000), Share], { error: readyError }).openapi({
      description: 'Instances kept ready to be claimed: how many, or a share of those claimed such as "25%", rounded up and at least one',
      example: 5,
    }),
    max: Count.int().min(1).max(10_000).openapi({ description: 'Never more instances than this, claimed ones included' }),
  })
  .refine((size) => typeof size.ready === 'string' || size.ready <= size.max, { error: 'must not be above size.max', path: ['ready'] });

const Lease = z
  .strictObject({
    defaultMs: LeaseMs.default(15 * minuteMs).openapi({ description: 'Of a claim that asks for none' }),
    maxMs: LeaseMs.default(24 * 60 * minuteMs).openapi({ description: 'The longest lease that a claim or a renewal may ask for' }),
    idleMs: LeaseMs.exactOptional().openapi({
      description: 'A claim whose instance nothing reaches through the gateway for this long ends; absent: only its lease ends it',
    }),
  })
  .refine((lease) => lease.defaultMs <= lease.maxMs, { error: 'must not be above lease.maxMs', path: ['defaultMs'] })
  .refine((lease) => lease.idleMs === undefined || lease.idleMs <= lease.maxMs, {
    error: 'must not be above lease.maxMs',
    path: ['idleMs'],
  });

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
    perTenant: TenantLimits.prefault({}).openapi({ description: 'What one tenant may have of this pool' }),
    rollout: RolloutPolicy.prefault({}),
  })
  .openapi('PoolSpec', { example: { template: 'search', golden: 'stable', size: { ready: 5, max: 20 }, lease: { defaultMs: 900_000 } } });
export type PoolSpec = z.infer<typeof PoolSpec>;

/** A pool as it is kept. Times in ms since the epoch, by Redis' clock. */
export const Pool = z.object({ name: Name, spec: PoolSpec, etag: z.string(), createdAt: z.number(), updatedAt: z.number() });
export type Pool = z.infer<typeof Pool>;

/** Restores of a golden on a node that failed so often that it rests. */
const OpenBreaker = z
  .object({
    golden: GoldenId,
    node: z.string(),
    failures: z.number().int().openapi({ description: 'In a row' }),
    nextTryAt: z.iso.datetime().openapi({ description: 'When one clone is tried again; where it has passed, one is being tried' }),
    problem: Failure.openapi({ description: 'The last failure' }),
  })
  .openapi('OpenBreaker');

/** The last change of a pool from one golden to another. */
const RolloutStatus = z
  .object({
    from: GoldenId,
    to: GoldenId,
    state: RolloutState.openapi({
      description: '`failed`: the deadline has passed, and it goes on; `rolled_back`: the pool is filled from `from` again',
    }),
    startedAt: z.iso.datetime(),
    deadline: z.iso.datetime(),
    endedAt: z.iso.datetime().optional(),
    reason: z.string().optional().openapi({ description: 'Why it failed or was rolled back' }),
  })
  .openapi('Rollout');

/** What a pool is like right now. */
export const PoolStatus = z
  .object({
    warm: z.number().int().openapi({ description: 'Ready to be claimed' }),
    restoring: z.number().int().openapi({ description: 'Being restored or made ready' }),
    claimed: z.number().int(),
    wanted: z.number().int().openapi({ description: 'How many should be warm: size.ready, less where size.max leaves no room' }),
    updated: z.number().int().openapi({ description: 'Warm or on their way, of the golden that the pool is filled from' }),
    outdated: z.number().int().openapi({ description: 'Warm or on their way, of another one' }),
    failed: z.number().int().openapi({ description: 'Clones of that golden that failed since the pool is filled from it' }),
    rollout: RolloutStatus.optional().openapi({ description: 'The last change of golden; absent when there was none' }),
    golden: z.string().optional().openapi({ description: 'What new clones are restored from', example: 'search@7' }),
    reason: z.string().optional().openapi({ description: 'Why the pool is not as wanted' }),
    breakers: z.array(OpenBreaker).optional().openapi({ description: 'Nodes that rest from restoring the golden; absent when none does' }),
  })
  .openapi('PoolStatus');
export type PoolStatus = z.infer<typeof PoolStatus>;
