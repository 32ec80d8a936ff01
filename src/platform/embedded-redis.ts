import { chmodSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import type { Clock } from './clock.ts';
import type { DataPaths } from './config.ts';
import { ThawError } from './errors.ts';
import { findLiveProcess, isAlive, type LiveProcess, signalProcess, waitUntilDead } from './live-process.ts';
import { connectImpatientRedis, connectRedis, isRedisGone, type Redis } from './redis.ts';
import { boundRedisLog, type RedisPaths, redisLock, redisLog, redisLogTail, redisSocket, spawnRedisServer } from './redis-server.ts';
import { setStanding } from './standing.ts';

/** The Redis of one machine: a process of its own, reachable by a unix socket only, every write on disk before it is answered. */
export interface EmbeddedRedis {
  readonly url: string;
  readonly pid: number;
  /** It ran already: the survivor of an earlier `thaw up`. */
  readonly adopted: boolean;
  /** Answers once the process has ended, by whatever cause, in words. */
  waitForExit(): Promise<string>;
  /** Ends it and waits. Nothing is lost: every answered write is on disk. */
  stop(): Promise<void>;
}

export interface EmbeddedRedisDeps {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly paths: RedisPaths;
}

/** Loading the data counts into it; an append-only file of 1 GB takes about 10 s. */
const startDeadlineMs = 120_000;
const stopDeadlineMs = 5000;

export function embeddedRedisUrl(paths: Pick<DataPaths, 'redis'>): string {
  return `unix://${redisSocket(paths)}`;
}

/**
 * Starts Redis on `paths.redis`, or adopts the one that runs there: two servers on one append-only directory corrupt it.
 * Answers when it has loaded its data and takes writes. Throws node_unfit (no Redis here) or redis_unavailable.
 */
export async function startEmbeddedRedis(deps: EmbeddedRedisDeps): Promise<EmbeddedRedis> {
  const { clock, paths } = deps;
  prepareDirectories(paths);
  const signal = AbortSignal.timeout(startDeadlineMs);
  while (!signal.aborted) {
    const redis = (await startServer(deps, signal)) ?? (await findEmbeddedRedis(deps));
    if (redis) {
      setStanding(redis.pid, 'first');
      return redis;
    }
    await clock.sleep(200); // the holder of the lock is on its way up or down
  }
  throw new ThawError('redis_unavailable', `the Redis that holds ${redisLock(paths)} did not answer within ${startDeadlineMs} ms`, {
    fix: `\`fuser ${redisLock(paths)}\` names its process; its log is ${redisLog(paths)}.`,
  });
}

/** The Redis that runs on `paths.redis`, or undefined when none answers. */
export async function findEmbeddedRedis(deps: EmbeddedRedisDeps): Promise<EmbeddedRedis | undefined> {
  if (!existsSync(redisSocket(deps.paths))) return undefined;
  const redis = connectImpatientRedis(embeddedRedisUrl(deps.paths));
  try {
    const process = findLiveProcess(await askForPid(redis));
    await refuseStranger(redis, deps.paths);
    return process && runningRedis(deps, process, true);
  } catch (error) {
    if (isRedisGone(error)) return undefined;
    throw error;
  } finally {
    redis.disconnect();
  }
}

/** Undefined when another server holds the lock. */
async function startServer(deps: EmbeddedRedisDeps, deadline: AbortSignal): Promise<EmbeddedRedis | undefined> {
  const server = spawnRedisServer(deps.paths);
  const ended = new AbortController();
  const exited = server.exited.finally(() => ended.abort());
  const process = await waitUntilServing(deps, server.pid, AbortSignal.any([ended.signal, deadline]));
  if (process) return runningRedis(deps, process, false);
  if (!ended.signal.aborted) server.kill();
  const { locked, how } = await exited;
  if (locked) return undefined;
  throw new ThawError('redis_unavailable', `Redis on ${deps.paths.redis} ${how} before it answered: ${redisLogTail(deps.paths)}`, {
    fix: `Its log is ${redisLog(deps.paths)}.`,
  });
}

/** Undefined when the signal comes first. Until our server has the lock, a survivor may answer on the socket in its place. */
async function waitUntilServing(deps: EmbeddedRedisDeps, pid: number | undefined, signal: AbortSignal): Promise<LiveProcess | undefined> {
  const redis = connectRedis(embeddedRedisUrl(deps.paths));
  const aborted = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  try {
    while (pid !== undefined && !signal.aborted) {
      // A command waits for ever in a client whose server never came.
      if ((await Promise.race([askForPid(redis), aborted])) === pid) return findLiveProcess(pid);
      await deps.clock.sleep(20);
    }
  } finally {
    redis.disconnect();
  }
  return undefined;
}

function runningRedis({ clock, paths }: EmbeddedRedisDeps, process: LiveProcess, adopted: boolean): EmbeddedRedis {
  return {
    url: embeddedRedisUrl(paths),
    pid: process.pid,
    adopted,
    // Looked at rather than waited for: an adopted server is no child of ours.
    async waitForExit() {
      for (let looks = 0; isAlive(process); looks++) {
        if (looks % 1000 === 0) boundRedisLog(paths);
        await clock.sleep(100);
      }
      return `is gone: ${redisLogTail(paths)}`;
    },
    async stop() {
      signalProcess(process, 'SIGTERM');
      if (await waitUntilDead(clock, process, stopDeadlineMs)) return;
      signalProcess(process, 'SIGKILL');
      await waitUntilDead(clock, process, stopDeadlineMs);
    },
  };
}

/** Commands wait until the server has loaded its data: ioredis checks that before it sends the first. */
async function askForPid(redis: Redis): Promise<number> {
  const info = await redis.info('server');
  return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
}

async function refuseStranger(redis: Redis, paths: RedisPaths): Promise<void> {
  const [, dir] = await redis.config('GET', 'dir');
  if (dir === realpathSync(paths.redis)) return;
  throw new ThawError('redis_unavailable', `the Redis at ${redisSocket(paths)} keeps its data in ${dir}, not in ${paths.redis}`, {
    fix: 'Stop that Redis, or choose another THAW_DATA_DIR.',
  });
}

function prepareDirectories(paths: RedisPaths): void {
  mkdirSync(paths.logs, { recursive: true });
  mkdirSync(paths.redis, { recursive: true });
  chmodSync(paths.redis, 0o700);
}
