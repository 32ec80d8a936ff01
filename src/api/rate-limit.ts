import { z } from '@hono/zod-openapi';

/** A token bucket: so many requests at once, refilled so fast. */
export const RateLimit = z
  .strictObject({ perSecond: z.number().min(0.01).max(100_000), burst: z.number().int().min(1).max(1_000_000) })
  .openapi('RateLimit', { example: { perSecond: 50, burst: 100 } });
export type RateLimit = z.infer<typeof RateLimit>;

export interface RateDecision {
  readonly allowed: boolean;
  /** Requests that may follow at once. */
  readonly remaining: number;
  /** Until nothing of the limit is used any more. */
  readonly resetMs: number;
  /** Until the next request is allowed; 0 when it is. */
  readonly retryAfterMs: number;
}

interface Bucket {
  readonly used: number;
  readonly at: number;
  readonly fullAt: number;
}

/** Buckets that are full again are forgotten when there are so many. */
const sizeMax = 10_000;

/** Counts in this process alone: with several replicas of the API each one grants the whole limit. `nowMs`: any clock that does not jump. */
export function createRateLimiter(nowMs: () => number) {
  const buckets = new Map<string, Bucket>();
  return (id: string, { perSecond, burst }: RateLimit): RateDecision => {
    const now = nowMs();
    const perMs = perSecond / 1000;
    const bucket = buckets.get(id);
    const before = bucket === undefined ? 0 : Math.max(0, bucket.used - (now - bucket.at) * perMs);
    const allowed = before + 1 <= burst;
    const used = allowed ? before + 1 : before;
    const resetMs = used / perMs;
    if (buckets.size >= sizeMax) forgetFull(buckets, now);
    buckets.set(id, { used, at: now, fullAt: now + resetMs });
    const retryAfterMs = allowed ? 0 : (before + 1 - burst) / perMs;
    return { allowed, remaining: Math.max(0, Math.floor(burst - used)), resetMs, retryAfterMs };
  };
}

function forgetFull(buckets: Map<string, Bucket>, now: number): void {
  for (const [id, { fullAt }] of buckets) if (fullAt <= now) buckets.delete(id);
}
