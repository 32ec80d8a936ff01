import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectRedis, type Redis } from '#src/platform/redis.ts';

export interface TestRedis {
  /** For further connections. */
  readonly url: string;
  readonly redis: Redis;
  /** Ends the server and removes what it wrote. */
  stop(): Promise<void>;
}

/** A redis-server of its own on a unix socket, as durable as the one of `thaw up`. */
export async function startTestRedis(): Promise<TestRedis> {
  const directory = await mkdtemp('/tmp/thaw-redis-');
  const socket = join(directory, 'redis.sock');
  const settings = [
    '--port',
    '0',
    '--unixsocket',
    socket,
    '--dir',
    directory,
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--save',
    '',
  ];
  const server = spawn('redis-server', settings, { stdio: 'ignore' });
  const ended = once(server, 'exit');
  const url = `unix://${socket}`;
  const redis = connectRedis(url);
  try {
    await Promise.race([redis.ping(), ended.then(() => Promise.reject(new Error('redis-server ended at its start')))]);
  } catch (error) {
    redis.disconnect();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    url,
    redis,
    stop: async () => {
      redis.disconnect();
      server.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
