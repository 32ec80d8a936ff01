import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from './config.ts';
import { ThawError } from './errors.ts';
import { findProgram } from './find-program.ts';

export type RedisPaths = Pick<DataPaths, 'redis' | 'logs'>;

/** A redis-server that was just started and may still end because another one holds the lock. */
export interface StartedServer {
  /** Undefined when it could not be started at all. */
  readonly pid: number | undefined;
  /** `locked`: another server owns the directory. */
  readonly exited: Promise<{ readonly locked: boolean; readonly how: string }>;
  /** SIGKILL. */
  kill(): void;
}

const maxLogBytes = 1024 * 1024;
const lockedExitCode = 75;

export function redisSocket(paths: Pick<DataPaths, 'redis'>): string {
  return join(paths.redis, 'redis.sock');
}

export function redisLock(paths: Pick<DataPaths, 'redis'>): string {
  return join(paths.redis, 'redis.lock');
}

export function redisLog(paths: Pick<DataPaths, 'logs'>): string {
  return join(paths.logs, 'redis.log');
}

/** Runs redis-server or valkey-server on `paths.redis`, which exists. Throws node_unfit where there is neither. */
export function spawnRedisServer(paths: RedisPaths): StartedServer {
  const server = requireServer();
  boundRedisLog(paths);
  const log = openSync(redisLog(paths), 'a', 0o600);
  // flock becomes the server and leaves it the locked descriptor: the lock ends with the server, however that ends.
  const flock = ['--no-fork', '--nonblock', '--conflict-exit-code', String(lockedExitCode), redisLock(paths)];
  // A session of its own: Ctrl-C in a terminal is for `thaw up`, which stops Redis last.
  const child = spawn('flock', [...flock, server, ...serverArguments(paths)], { stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const exited = new Promise<{ locked: boolean; how: string }>((resolve) => {
    child.once('error', (error) => resolve({ locked: false, how: `could not be started (${error.message})` }));
    child.once('exit', (code, signal) =>
      resolve({ locked: code === lockedExitCode, how: signal ? `was ended by ${signal}` : `ended with exit code ${code}` }),
    );
  });
  return { pid: child.pid, exited, kill: () => child.kill('SIGKILL') };
}

/** Redis opens its log anew for each line, so it may be renamed at any time. */
export function boundRedisLog(paths: RedisPaths): void {
  const log = redisLog(paths);
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > maxLogBytes) renameSync(log, `${log}.1`);
}

/** What Redis said last; empty when there is no log. */
export function redisLogTail(paths: RedisPaths): string {
  if (!existsSync(redisLog(paths))) return '';
  return readFileSync(redisLog(paths), 'utf8').trim().split('\n').slice(-4).join('\n');
}

/** The program, or undefined where neither of the two is installed. */
export function findRedisServer(): string | undefined {
  return findProgram('redis-server') ?? findProgram('valkey-server');
}

function requireServer(): string {
  const server = findRedisServer();
  if (server) return server;
  throw new ThawError('node_unfit', 'this machine has neither redis-server nor valkey-server', {
    fix: 'Run deploy/host/setup.sh, or set REDIS_URL to a Redis that exists.',
  });
}

/** No file: what Redis runs with is seen in its command line, and nothing can be left over from an older version. */
function serverArguments(paths: RedisPaths): string[] {
  return Object.entries({
    port: '0',
    unixsocket: redisSocket(paths),
    unixsocketperm: '700',
    dir: paths.redis,
    logfile: redisLog(paths),
    daemonize: 'no',
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
    'no-appendfsync-on-rewrite': 'no', // a rewrite must not suspend the promise of law 2
    'aof-load-truncated': 'yes', // the torn end of a write that was never answered
    'maxmemory-policy': 'noeviction',
  }).flatMap(([name, value]) => [`--${name}`, value]);
}
