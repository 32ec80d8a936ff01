import { Redis } from 'ioredis';

export type { Redis };

/** One hash slot by design, so that one script sees all it must (DESIGN: many customers means many cells). */
export const keyPrefix = '{thaw}:';

/** Connects to `redis://…`, `rediss://…` or `unix:///path`. Commands sent while Redis is away wait for it and are sent again. */
export function connectRedis(url: string): Redis {
  const options = { maxRetriesPerRequest: null, retryStrategy: (attempt: number) => Math.min(50 * attempt, 1000) };
  const redis = url.startsWith('unix://') ? new Redis({ path: url.slice('unix://'.length), ...options }) : new Redis(url, options);
  redis.on('error', () => {}); // reconnecting is ioredis' work; what fails is the command, and it says so to its caller
  return redis;
}

/** Redis' own clock in ms: the only time that decides about leases. */
export async function redisTimeMs(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
