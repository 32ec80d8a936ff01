import type { Redis } from '#src/platform/redis.ts';

/** All that a Redis holds, as text. */
export async function redisContent(redis: Redis): Promise<string> {
  const values = (await redis.keys('*')).map(async (key) => {
    const type = await redis.type(key);
    if (type === 'string') return [key, await redis.get(key)];
    if (type === 'hash') return [key, await redis.hgetall(key)];
    if (type === 'list') return [key, await redis.lrange(key, 0, -1)];
    if (type === 'set') return [key, await redis.smembers(key)];
    if (type === 'zset') return [key, await redis.zrange(key, 0, '-1')];
    if (type === 'stream') return [key, await redis.xrange(key, '-', '+')];
    throw new Error(`${key} is a ${type}`);
  });
  return JSON.stringify(await Promise.all(values));
}
