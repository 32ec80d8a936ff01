import { type ChainableCommander, Redis } from 'ioredis';

export type { Redis };

/** One hash slot by design, so that one script sees all it must (DESIGN: many customers means many cells). */
export const keyPrefix = '{thaw}:';

/** Connects to `redis://…`, `rediss://…` or `unix:///path`. Commands sent while Redis is away wait for it and are sent again. */
export function connectRedis(url: string): Redis {
  return connect(url, { maxRetriesPerRequest: null });
}

/**
 * A connection for requests that somebody waits for, made when first used: a command gives up after about 2 s without Redis, or 5 s without its
 * answer (isRedisGone). What was sent may still have happened.
 */
export function connectImpatientRedis(url: string): Redis {
  return connect(url, { maxRetriesPerRequest: 8, commandTimeout: 5000, lazyConnect: true });
}

function connect(url: string, patience: { maxRetriesPerRequest: number | null; commandTimeout?: number; lazyConnect?: boolean }): Redis {
  const options = { ...patience, retryStrategy: (attempt: number) => Math.min(50 * attempt, 1000) };
  const redis = url.startsWith('unix://') ? new Redis({ path: url.slice('unix://'.length), ...options }) : new Redis(url, options);
  redis.on('error', () => {}); // reconnecting is ioredis' work; what fails is the command, and it says so to its caller
  return redis;
}

/** Whether a command failed because Redis is away, still loads its data, or does not accept writes now. */
export function isRedisGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'MaxRetriesPerRequestError' || error.message === 'Command timed out') return true;
  if (error.message === 'Connection is closed.' || ('syscall' in error && error.syscall === 'connect')) return true;
  return error.name === 'ReplyError' && /^(LOADING|READONLY|MISCONF|OOM|MASTERDOWN|CLUSTERDOWN)\b/.test(error.message);
}

/** Sends a pipeline and answers its replies in order. Throws the first error among them. */
export async function runPipeline(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}

/** Redis' own clock in ms: the only time that decides about leases. */
export async function redisTimeMs(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}
