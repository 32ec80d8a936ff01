import type { Config } from '#src/platform/config.ts';
import { connectRedis, type Redis } from '#src/platform/redis.ts';
import { findRedisServer } from '#src/platform/redis-server.ts';
import { run } from '#src/platform/subprocess.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { parseVersion } from './version.ts';

const answerTimeoutMs = 2000;

export async function checkRedis(config: Pick<Config, 'redisUrl'>): Promise<Finding[]> {
  return config.redisUrl === undefined ? await checkEmbeddedRedis() : await checkForeignRedis(config.redisUrl);
}

async function checkEmbeddedRedis(): Promise<Finding[]> {
  const server = findRedisServer();
  const version = server && (await run([server, '--version'], { timeoutMs: answerTimeoutMs }).catch(() => undefined))?.stdout;
  return [judgeRedisVersion(server, version && /v=(\S+)/.exec(version)?.[1]), judgeDurability('embedded')];
}

/** Lists over REST are read by ZRANGE with BYSCORE and BYLEX, which came with 6.2; below that BullMQ, too, warns at each connection. */
const oldestRedis = 6002;

/** @param server what was asked, undefined when there is nothing to ask */
export function judgeRedisVersion(server: string | undefined, version: string | undefined): Finding {
  const condition: Condition = {
    id: 'redis',
    title: 'Redis',
    cost: 'Redis is the record of everything: nothing works without it',
    fix: 'Install redis-server or valkey-server 6.2 or newer (deploy/host/setup.sh does), or set REDIS_URL to one that runs.',
  };
  if (server === undefined) return fail(condition, 'neither redis-server nor valkey-server is installed, and REDIS_URL is not set');
  if (version === undefined) return fail(condition, `${server} does not answer`);
  const found = `${version} (${server})`;
  return (parseVersion(version) ?? 0) < oldestRedis ? fail(condition, `${found}, 6.2 is the oldest that works`) : pass(condition, found);
}

/** What a running server says of itself; a value is undefined where CONFIG is refused, as hosted ones do. */
export interface RedisSettings {
  readonly appendonly?: string | undefined;
  readonly appendfsync?: string | undefined;
  readonly maxmemoryPolicy?: string | undefined;
}

export function judgeDurability(server: 'embedded' | 'foreign', settings: RedisSettings = {}): Finding {
  const condition: Condition = {
    id: 'redis_durability',
    title: 'Redis durability',
    cost: 'a claim that was answered may be forgotten when Redis or its machine ends, and its instance with it',
    fix: 'CONFIG SET appendonly yes, appendfsync always and maxmemory-policy noeviction (and in redis.conf), or unset REDIS_URL to use the embedded server.',
  };
  if (server === 'embedded') return pass(condition, 'embedded: every write on disk before it is answered');
  const { appendonly, appendfsync, maxmemoryPolicy } = settings;
  if (appendonly === undefined) return warn(condition, 'the server does not tell (CONFIG is refused)');
  const found = `appendonly ${appendonly}, appendfsync ${appendfsync ?? '?'}, maxmemory-policy ${maxmemoryPolicy ?? '?'}`;
  const isDurable = appendonly === 'yes' && appendfsync === 'always' && (maxmemoryPolicy ?? 'noeviction') === 'noeviction';
  return isDurable ? pass(condition, found) : warn(condition, found);
}

/** Reads the answer of `INFO server`; Valkey gives its own version beside the Redis one it is compatible with. */
export function parseRedisVersion(info: string): string | undefined {
  return /^redis_version:(\S+)/m.exec(info)?.[1];
}

/** The URL may hold a password: findings name host and port only. */
async function checkForeignRedis(url: string): Promise<Finding[]> {
  const server = url.startsWith('unix://') ? url : new URL(url).host;
  const redis = connectRedis(url);
  try {
    const info = await within(answerTimeoutMs, redis.info('server'));
    if (info === undefined) return [judgeRedisVersion(server, undefined)];
    return [judgeRedisVersion(server, parseRedisVersion(info)), judgeDurability('foreign', await readSettings(redis))];
  } finally {
    redis.disconnect();
  }
}

async function readSettings(redis: Redis): Promise<RedisSettings> {
  const read = async (name: string): Promise<string | undefined> => {
    const reply: unknown = await within(answerTimeoutMs, redis.config('GET', name));
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined;
  };
  const [appendonly, appendfsync, maxmemoryPolicy] = await Promise.all([read('appendonly'), read('appendfsync'), read('maxmemory-policy')]);
  return { appendonly, appendfsync, maxmemoryPolicy };
}

/** Undefined when the answer is an error or takes longer. */
async function within<T>(limitMs: number, answer: Promise<T>): Promise<T | undefined> {
  const { promise: limit, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), limitMs);
  try {
    return await Promise.race([answer.catch(() => undefined), limit]);
  } finally {
    clearTimeout(timer);
  }
}
