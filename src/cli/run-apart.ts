import { once } from 'node:events';
import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { findEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { connectImpatientRedis, isRedisGone } from '#src/platform/redis.ts';
import { type CommandContext, CommandError, exitCodes } from './command.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { type NodeProcess, type NodeProcessSpec, silenceLimitMs, startNodeProcess } from './node-process.ts';
import { stopOnSignals } from './stop-signals.ts';

/**
 * Runs some of the processes of `thaw up` by themselves until a signal comes, or until one ends: whoever started this starts it again.
 * `modules` are by the name of their process, in the order of their start. A worker owns what runs on the data directory: with one among
 * them the directory is locked, as by `thaw up`. Throws CommandError when another has it.
 */
export async function runApart(context: CommandContext, modules: Readonly<Record<string, string>>): Promise<number> {
  if (modules.worker === undefined) return runModules(context, modules);
  const lock = await lockDataDir(systemClock, parseConfig(context.env).paths, 'worker');
  try {
    return await runModules(context, modules, lock.fd);
  } finally {
    lock.release();
  }
}

async function runModules({ env, print }: CommandContext, modules: Readonly<Record<string, string>>, lockFd?: number): Promise<number> {
  const redisUrl = await requireRedis(parseConfig(env));
  const signal = stopOnSignals();
  const running: NodeProcess[] = [];
  const endings: Promise<string>[] = [];
  try {
    for (const [name, module] of Object.entries(modules)) {
      const spec: NodeProcessSpec = {
        name,
        module,
        env: { ...env, REDIS_URL: redisUrl },
        stopDeadlineMs: 8000,
        silenceLimitMs,
        standing: name === 'worker' ? 'after' : 'first',
        ...(lockFd === undefined ? {} : { lockFd }),
      };
      const started = await startNodeProcess(spec, signal);
      running.push(started);
      endings.push(started.waitForExit().then((how) => `the ${name} process ${how}`));
      print(`The ${name} runs${started.url === undefined ? '' : ` at ${started.url}`} (pid ${started.pid}).`);
    }
    const ended = await Promise.race([...endings, untilAborted(signal)]);
    if (ended !== undefined) throw new CommandError(ended, 'Its log is above.');
    return exitCodes.ok;
  } finally {
    for (const started of running.reverse()) await started.stop();
  }
}

/** The URL of REDIS_URL or of the embedded Redis of a running `thaw up`. Throws CommandError when it does not answer. */
async function requireRedis(config: Config): Promise<string> {
  if (config.redisUrl !== undefined) {
    await requireAnswer(config.redisUrl);
    return config.redisUrl;
  }
  const embedded = await findEmbeddedRedis({ clock: systemClock, paths: config.paths });
  if (embedded) return embedded.url;
  throw new CommandError(
    `REDIS_URL is not set, and no Redis of a \`thaw up\` runs in ${config.paths.redis}`,
    'Set REDIS_URL, or use `thaw up`, which runs everything.',
  );
}

async function requireAnswer(url: string): Promise<void> {
  const redis = connectImpatientRedis(url);
  try {
    await redis.ping();
  } catch (error) {
    if (!isRedisGone(error)) throw error;
    throw new CommandError(`Redis does not answer at ${withoutPassword(url)}`, 'Start it, or correct REDIS_URL.', error);
  } finally {
    redis.disconnect();
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}

async function untilAborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, 'abort');
  return undefined;
}
