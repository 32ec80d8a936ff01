import { z } from 'zod';
import { type Config, ConfigError, parseConfig } from './config.ts';
import { isThawError } from './errors.ts';
import { createLogger, type Logger } from './log.ts';
import { makeDataDir } from './make-data-dir.ts';
import { takeEnvironment } from './take-environment.ts';

const Ready = z.object({
  ready: z.literal(true),
  /** Where the process is reached, if by a URL. */
  url: z.string().exactOptional(),
});
const Failed = z.object({ failed: z.object({ message: z.string(), fix: z.string().exactOptional() }) });
const Alive = z.object({ alive: z.literal(true) });

/** What a process tells the `thaw` that runs it, over its IPC channel: `ready` or `failed` once, then `alive` again and again. */
export const ProcessMessage = z.union([Ready, Failed, Alive]);
export type ProcessMessage = z.infer<typeof ProcessMessage>;

export interface ProcessWork {
  readonly url?: string;
  stop(): Promise<void>;
}

/** Told from the event loop: a process that is stopped, or stuck in a loop or a call, tells nothing. */
const aliveEveryMs = 1000;

/**
 * The life of a process of `thaw up`, `thaw api` or `thaw worker`: starts its work, tells so, and stops the work on SIGTERM, SIGINT or
 * when its parent is gone. What it can not start for an expected reason (ThawError, ConfigError) is told in one line, without a stack.
 */
export async function runProcess(name: string, start: (config: Config, log: Logger) => Promise<ProcessWork>): Promise<void> {
  const { log, work } = await begin(name, start).catch((error: unknown) => endAsFailed(name, error));
  tell({ ready: true, ...(work.url === undefined ? {} : { url: work.url }) });
  const beating = setInterval(() => tell({ alive: true }), aliveEveryMs).unref();
  const why = await waitForStop();
  clearInterval(beating);
  log.info({ why }, `the ${name} process ends`);
  await work.stop();
}

async function begin(name: string, start: Parameters<typeof runProcess>[1]) {
  const config = parseConfig(takeEnvironment(process.env));
  const log = createLogger(config.logLevel, name);
  makeDataDir(config.paths.dataDir);
  return { log, work: await start(config, log) };
}

/** A bug is thrown: Node prints its stack and ends. What was begun ends with the process. */
async function endAsFailed(name: string, error: unknown): Promise<never> {
  if (!(error instanceof ConfigError || isThawError(error))) throw error;
  const fix = isThawError(error) ? error.fix : undefined;
  if (process.connected) await tell({ failed: { message: error.message, ...(fix === undefined ? {} : { fix }) } });
  else process.stderr.write(`thaw ${name}: ${error.message}\n${fix === undefined ? '' : `      ${fix}\n`}`);
  process.exit(1);
}

/** Answers when it was sent, or could not be: without a parent there is nobody to tell. */
function tell(message: ProcessMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send && process.connected) process.send(message, () => resolve());
    else resolve();
  });
}

/**
 * Answers why this process is to end: a SIGTERM or SIGINT, or that `thaw up` is gone. A process that outlived the one that
 * restarts it would meet its own successor.
 */
function waitForStop(): Promise<string> {
  return new Promise((resolve) => {
    const stop = (why: string) => {
      process.channel?.unref(); // listening for 'disconnect' would keep the process alive
      resolve(why);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal));
    process.once('disconnect', () => stop('thaw up is gone'));
  });
}
