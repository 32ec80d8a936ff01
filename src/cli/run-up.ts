import { once } from 'node:events';
import { type AdminKey, ensureAdminKey } from '#src/api/admin-key.ts';
import type { Clock } from '#src/platform/clock.ts';
import type { Config } from '#src/platform/config.ts';
import { embeddedRedisUrl, startEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import type { Logger } from '#src/platform/log.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { type NodeProcess, type NodeProcessSpec, silenceLimitMs, startNodeProcess } from './node-process.ts';
import { type ProcessSpec, superviseProcesses } from './supervisor.ts';

export interface UpDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Config;
  /** What the processes inherit; their Redis is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute paths of the modules that are processes of their own. */
  readonly modules: { readonly api: string; readonly worker: string; readonly agent: string };
  /** Throws when this machine can not run Thaw. */
  checkConditions(): Promise<void>;
  /** Called once all runs. */
  greet(started: { readonly url: string; readonly adminKey: AdminKey }): void;
}

/** Runs Thaw on one machine until the signal. Instances are not children of it: they go on running. */
export async function runUp(deps: UpDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, config } = deps;
  const lock = await lockDataDir(clock, config.paths, 'up');
  try {
    await deps.checkConditions(); // under the lock, when what an earlier one left behind has ended and its port is free
    const adminKey = ensureAdminKey(config);
    let api: NodeProcess | undefined;
    const startApi = async (unwanted: AbortSignal) => {
      api = await startNodeProcess(apiSpec(deps, lock.fd), unwanted);
      return api;
    };
    const startWorker = (unwanted: AbortSignal) => startNodeProcess(workerSpec(deps, lock.fd), unwanted);
    const startAgent = (unwanted: AbortSignal) => startNodeProcess(agentSpec(deps, lock.fd), unwanted);
    const supervisor = await superviseProcesses(
      { clock, log },
      [...redisSpecs(deps), { name: 'agent', start: startAgent }, { name: 'worker', start: startWorker }, { name: 'api', start: startApi }],
      signal,
    );
    deps.greet({ url: api?.url ?? config.url, adminKey });
    if (!signal.aborted) await once(signal, 'abort');
    await supervisor.stop();
  } catch (error) {
    if (!signal.aborted) throw error; // told to stop while it was starting
  } finally {
    lock.release();
  }
}

function redisSpecs({ clock, log, config }: UpDeps): ProcessSpec[] {
  if (config.redisUrl !== undefined) return [];
  const start = async () => {
    const redis = await startEmbeddedRedis({ clock, paths: config.paths });
    log.info({ pid: redis.pid, adopted: redis.adopted }, 'Redis serves');
    return redis;
  };
  return [{ name: 'redis', start }];
}

/** Killed late when memory runs out: it answers for the instances. */
function apiSpec(deps: UpDeps, lockFd: number): NodeProcessSpec {
  return {
    ...commonSpec(deps, lockFd, { THAW_ENCRYPTION_KEY: undefined }),
    name: 'api',
    module: deps.modules.api,
    stopDeadlineMs: 3000,
    standing: 'first',
  };
}

/** Every claim passes through it. */
function agentSpec(deps: UpDeps, lockFd: number): NodeProcessSpec {
  return {
    ...commonSpec(deps, lockFd, { THAW_ENCRYPTION_KEY: undefined }),
    name: 'agent',
    module: deps.modules.agent,
    stopDeadlineMs: 2000,
    standing: 'first',
  };
}

/** Its score is the instances' too, which inherit it: never lower than any other process. */
function workerSpec(deps: UpDeps, lockFd: number): NodeProcessSpec {
  return { ...commonSpec(deps, lockFd), name: 'worker', module: deps.modules.worker, stopDeadlineMs: 4000, standing: 'after' };
}

/** `withheld`: the key of goldens is the worker's alone. */
function commonSpec(
  { env, config }: UpDeps,
  lockFd: number,
  withheld: { readonly THAW_ENCRYPTION_KEY?: undefined } = {},
): Pick<NodeProcessSpec, 'env' | 'silenceLimitMs' | 'lockFd'> {
  const redisUrl = config.redisUrl ?? embeddedRedisUrl(config.paths);
  return { env: { ...env, ...withheld, THAW_ENGINE: config.engine, REDIS_URL: redisUrl }, silenceLimitMs, lockFd };
}
