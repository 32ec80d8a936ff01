import { existsSync } from 'node:fs';
import { systemClock } from '#src/platform/clock.ts';
import type { Config } from '#src/platform/config.ts';
import { findEmbeddedRedis, startEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { connectImpatientRedis, isRedisGone, type Redis } from '#src/platform/redis.ts';
import { CommandError } from './command.ts';
import { lockDataDir } from './data-dir-lock.ts';

/**
 * Reads what Thaw has recorded, whether it runs or not: from the Redis that serves it, or from its own, started for as long as the reading
 * takes. Throws CommandError when there is none, or another `thaw` is just starting or stopping on the data directory.
 */
export async function readRecords<T>(config: Config, command: string, read: (redis: Redis) => Promise<T>): Promise<T> {
  const { redisUrl, paths } = config;
  if (redisUrl !== undefined) return readFrom(redisUrl, read);
  if (!existsSync(paths.redis)) {
    throw new CommandError(`nothing is recorded in ${paths.dataDir}: no Thaw has run there`, 'Set THAW_DATA_DIR as `thaw up` has it.');
  }
  const deps = { clock: systemClock, paths };
  const running = await findEmbeddedRedis(deps);
  if (running) return readFrom(running.url, read);
  const lock = await lockDataDir(systemClock, paths, command);
  try {
    const redis = await startEmbeddedRedis(deps);
    return await readFrom(redis.url, read).finally(() => (redis.adopted ? undefined : redis.stop()));
  } finally {
    lock.release();
  }
}

async function readFrom<T>(url: string, read: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = connectImpatientRedis(url);
  try {
    return await read(redis);
  } catch (error) {
    if (!isRedisGone(error)) throw error;
    throw new CommandError('Redis, which holds the records, does not answer', '`thaw doctor` tells more of it.', error);
  } finally {
    redis.disconnect();
  }
}
