import { z } from '@hono/zod-openapi';
import { readBuilds } from '#src/goldens/builds/store.ts';
import { listNodes } from '#src/nodes/store.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { adviseReady, peakSeconds } from './advise-size.ts';
import { type Arrivals, readArrivals } from './arrivals.ts';
import { cloneBytes, findTarget, refusalOf } from './observe-pool.ts';
import type { Pool } from './pool.ts';
import { type RefillLoad, utilisation } from './refill-load.ts';
import { readRestoreTimes, usualRestoreMs } from './restore-times.ts';

export const AdviceQuery = z.object({
  hitRate: z.coerce
    .number()
    .min(0.5)
    .max(0.99999)
    .default(0.999)
    .openapi({ description: 'The share of claims that is to find a warm instance, at the busiest minute' }),
});

/** A size for the pool, and all that it follows from. */
export const PoolAdvice = z
  .object({
    pool: z.string(),
    hitRate: z.number(),
    ready: z.number().int().openapi({ description: 'What size.ready should be' }),
    memoryBytes: z.number().openapi({ description: 'What so many ready instances take, sharing not counted' }),
    confidence: z.enum(['none', 'low', 'good']).openapi({ description: 'none: no claim was recorded; low: see notes' }),
    notes: z.array(z.string()),
    inputs: z.object({
      claims: z.number().int().openapi({ description: 'Recorded in the last 24 hours, refused ones included' }),
      recordedMinutes: z.number().int(),
      peakPerMinute: z.number().int(),
      peakAt: z.iso.datetime().optional(),
      restores: z.number().int().openapi({ description: 'Restores that were measured' }),
      restoreMs: z.number().openapi({ description: 'Nine of ten of them took at most this' }),
      reactionMs: z.number().openapi({ description: 'From a claim until the restore of its successor begins' }),
      restoresAtOnce: z.number().int().openapi({ description: 'On the nodes that have the golden, for all pools together' }),
      cloneBytes: z.number(),
    }),
  })
  .openapi('PoolAdvice');
type PoolAdvice = z.infer<typeof PoolAdvice>;

/** The planner gathers changes for 20 ms; the plan, the record and the job's way through the queue take the rest. */
const reactionMs = 50;
const enoughClaims = 100;
const enoughRestores = 20;
const enoughMinutes = 60;

/** Sizes a pool from what was recorded of it; see adviseReady for the mathematics. */
export async function advisePool(redis: Redis, pool: Pool, hitRate: number): Promise<PoolAdvice> {
  const [arrivals, restores, target] = await Promise.all([
    readArrivals(redis, pool.name),
    readRestoreTimes(redis, pool.name),
    findRefill(redis, pool),
  ]);
  const load: RefillLoad = {
    claimsPerSecond: (arrivals.peak?.count ?? 0) / peakSeconds,
    restoreMs: ninth(restores) ?? usualRestoreMs,
    reactionMs,
    restoresAtOnce: Math.max(1, target.restoresAtOnce),
  };
  const ready = adviseReady(load, hitRate);
  const doubts = doubtsAbout(arrivals, restores.length);
  return {
    ...{ pool: pool.name, hitRate, ready, memoryBytes: ready * target.cloneBytes },
    confidence: arrivals.count === 0 ? 'none' : doubts.length > 0 ? 'low' : 'good',
    notes: [...doubts, ...notesOn(pool, load, ready)],
    inputs: {
      ...{ claims: arrivals.count, recordedMinutes: arrivals.minutes, peakPerMinute: arrivals.peak?.count ?? 0 },
      ...(arrivals.peak === undefined ? {} : { peakAt: new Date(arrivals.peak.at).toISOString() }),
      ...{ restores: restores.length, restoreMs: load.restoreMs, reactionMs },
      ...{ restoresAtOnce: load.restoresAtOnce, cloneBytes: target.cloneBytes },
    },
  };
}

/** A node restores as many clones at once as it has processors (compose.ts). */
async function findRefill(redis: Redis, { spec }: Pool): Promise<{ cloneBytes: number; restoresAtOnce: number }> {
  const [golden, nodes] = await Promise.all([findTarget(redis, spec), listNodes(redis)]);
  if ('missing' in golden) {
    const { resources } = (await requireTemplate(redis, spec.template)).spec;
    return { cloneBytes: resources.memoryBytes, restoresAtOnce: 1 };
  }
  const builds = await readBuilds(redis, golden);
  const able = nodes.filter((node) => refusalOf(node, golden, builds) === undefined);
  return { cloneBytes: cloneBytes(golden), restoresAtOnce: able.reduce((sum, { capacity }) => sum + Math.floor(capacity.cpus), 0) };
}

function ninth(times: readonly number[]): number | undefined {
  return times.toSorted((a, b) => a - b).at(Math.ceil(times.length * 0.9) - 1);
}

function doubtsAbout({ count, minutes }: Arrivals, restores: number): string[] {
  return [
    ...(count < enoughClaims ? [`only ${count} claims were recorded; ${enoughClaims} or more tell a peak from chance`] : []),
    ...(minutes < enoughMinutes ? [`claims were recorded for ${minutes} minutes only; the busiest minute of the day may be to come`] : []),
    ...(restores === 0 ? [`no restore was measured; ${usualRestoreMs} ms are assumed`] : []),
    ...(restores > 0 && restores < enoughRestores ? [`only ${restores} restores were measured`] : []),
  ];
}

function notesOn({ spec }: Pool, load: RefillLoad, ready: number): string[] {
  const busy = Math.round(utilisation(load) * 100);
  return [
    ...(busy >= 100
      ? [`at the peak claims come faster than they can be restored (${busy}%): the stock lasts for one such minute, more nodes last longer`]
      : []),
    ...(ready > spec.size.max ? [`size.max is ${spec.size.max}: it must grow too, by what is claimed at once`] : []),
  ];
}
