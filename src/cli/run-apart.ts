import { once } from 'node:events';
import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { findEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { connectImpatientRedis, isRedisGone } from '#src/platform/redis.ts';
import { type CommandContext, CommandError, exitCodes } from './command.ts';
import { startNodeProcess } from './node-process.ts';
import { stopOnSignals } from './stop-signals.ts';

/** Runs one of the processes of `thaw up` by itself until a signal comes. Whoever started this starts it again when it dies. */
export async function runApart({ env, print }: CommandContext, name: string, module: string): Promise<number> {
  const redisUrl = await requireRedis(parseConfig(env));
  const signal = stopOnSignals();
  const spec = { name, module, env: { ...env, REDIS_URL: redisUrl }, stopDeadlineMs: 8000, oomScoreAdj: 0 };
  const running = await startNodeProcess(spec, signal);
  print(`The ${name} runs${running.url === undefined ? '' : ` at ${running.url}`} (pid ${running.pid}).`);
  const how = await Promise.race([running.waitForExit(), untilAborted(signal)]);
  if (how !== undefined) throw new CommandError(`the ${name} process ${how}`, 'Its log is above.');
  await running.stop();
  return exitCodes.ok;
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
