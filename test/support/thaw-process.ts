import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import { findLiveProcess, waitUntilDead } from '#src/platform/live-process.ts';
import { redisSocket } from '#src/platform/redis-server.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from './temp-dir.ts';
import { makeTestImage } from './test-image.ts';
import { connectRest, type Rest } from './thaw-rest.ts';

/** A Thaw with the real engine, run by its command as users do. Data directory, port, node name and image are its own. */
export interface ThawProcess {
  readonly rest: Rest;
  readonly config: Config;
  /** Of the role admin. */
  readonly apiKey: string;
  /** `dir:` reference of the test image. */
  readonly image: string;
  /** What every `thaw up` so far has said, stdout and stderr. */
  readonly log: string;
  /** `thaw up`, until it is ready. The address stays the same. `settings` hold for this run. */
  start(settings?: Readonly<Record<string, string>>): Promise<void>;
  /** `thaw down` with the options; answers what it said. */
  down(...options: string[]): Promise<string>;
  /** Of each process that runs now; `up` is the parent of the others. */
  pids(): Readonly<Partial<Record<ProcessName, number>>>;
  /** SIGKILL, all at the same moment. Answers once they are dead. */
  kill(...names: ProcessName[]): Promise<void>;
  /** Until `thaw up` has replaced a process that was killed and the service is ready. `before`: what pids() answered then. */
  untilReplaced(name: ProcessName, before: ReturnType<ThawProcess['pids']>): Promise<void>;
  /** Ends everything and removes the data. */
  close(): Promise<void>;
}

export type ProcessName = 'up' | 'api' | 'worker' | 'agent' | 'redis';

const command = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
const modules = {
  api: fileURLToPath(import.meta.resolve('#src/api/main.ts')),
  worker: fileURLToPath(import.meta.resolve('#workers/main.ts')),
  agent: fileURLToPath(import.meta.resolve('#src/nodes/main.ts')),
};
const apiKey = 'the-admin-key-of-these-tests';
/** A start waits up to 15 s for the processes of a `thaw up` that was killed. */
const startTimeoutMs = 40_000;
const downTimeoutMs = 60_000;

/** Nothing runs yet: see start(). `settings` hold for every run. */
export async function makeThaw(settings: Readonly<Record<string, string>> = {}): Promise<ThawProcess> {
  const temporary = await makeTempDir();
  const rootfs = join(temporary.path, 'image');
  await mkdir(rootfs);
  await makeTestImage(rootfs);
  const env = {
    ...{ PATH: process.env.PATH ?? '', THAW_DATA_DIR: join(temporary.path, 'data'), THAW_PORT: String(await findFreePort()) },
    ...{ THAW_IMAGE_ROOTS: temporary.path, THAW_API_KEY: apiKey, THAW_NODE: 'n1' },
    ...{ THAW_MEMORY_RESERVE_MB: '256', THAW_DISK_RESERVE_MB: '256', LOG_LEVEL: 'debug', ...settings },
  };
  const config = parseConfig(env);
  const log = join(temporary.path, 'up.log');
  const rest = connectRest(config.url, apiKey);
  let up: ChildProcess | undefined;
  const pids = () => ({ ...(up?.pid === undefined || hasEnded(up) ? {} : { up: up.pid }), ...findProcesses(config) });

  const start = async (more: Readonly<Record<string, string>> = {}) => {
    const before = readLog(log).length;
    up = spawnUp({ ...env, ...more }, log);
    await untilReady(rest, up, log, before);
  };
  const down = async (...options: string[]) => {
    const quietly = { ...env, LOG_LEVEL: 'info' }; // a failure in words, without its stack
    const { stdout } = await run([process.execPath, command, 'down', ...options], { env: quietly, timeoutMs: downTimeoutMs });
    if (up && !hasEnded(up)) await once(up, 'exit', { signal: AbortSignal.timeout(downTimeoutMs) });
    return stdout;
  };
  return {
    ...{ rest, config, apiKey, image: `dir:${rootfs}`, log, start, down, pids },
    kill: async (...names) => {
      const now = pids();
      await Promise.all(names.map((name) => killProcess(name, now[name])));
    },
    untilReplaced: async (name, before) => {
      await vi.waitFor(
        () => {
          if ([undefined, before[name]].includes(pids()[name])) throw new Error(`${name} was not started again; ${tail(log)}`);
        },
        { timeout: startTimeoutMs, interval: 20 },
      );
      if (up) await untilReady(rest, up, log);
    },
    close: async () => {
      await down('--destroy', '--purge');
      await temporary[Symbol.asyncDispose]();
    },
  };
}

/** As makeThaw, and started. What was begun is ended when the start fails. */
export async function startThaw(settings?: Readonly<Record<string, string>>): Promise<ThawProcess> {
  const thaw = await makeThaw(settings);
  try {
    await thaw.start();
    return thaw;
  } catch (error) {
    await thaw.close();
    throw error;
  }
}

function spawnUp(env: Readonly<Record<string, string | undefined>>, log: string): ChildProcess {
  const fd = openSync(log, 'a', 0o600);
  try {
    return spawn(process.execPath, [command, 'up'], { env: { ...env }, stdio: ['ignore', fd, fd] });
  } finally {
    closeSync(fd);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** `from`: where the log of this `thaw up` begins. The API of one that was killed may answer a moment longer. */
async function untilReady(rest: Rest, up: ChildProcess, log: string, from = 0): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  while (!(readLog(log).includes('Thaw answers at', from) && (await rest.isReady()))) {
    if (hasEnded(up)) throw new Error(`thaw up has ended; ${tail(log)}`);
    if (performance.now() > deadline) throw new Error(`thaw up was not ready within ${startTimeoutMs} ms; ${tail(log)}`);
    await systemClock.sleep(50);
  }
}

function tail(log: string): string {
  return `its log ends with:\n${readLog(log).trim().split('\n').slice(-15).join('\n')}`;
}

function readLog(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : '';
}

/** By their command lines; the data directory tells ours from those of another Thaw. */
function findProcesses({ paths }: Config): Partial<Record<ProcessName, number>> {
  const found: Partial<Record<ProcessName, number>> = {};
  for (const pid of readdirSync('/proc').map(Number).filter(findLiveProcess)) {
    const [program = '', module = '', ...rest] = readStrings(pid, 'cmdline');
    if (/^\S*(?:redis|valkey)-server\b/.test(program) && [program, module, ...rest].join(' ').includes(redisSocket(paths)))
      found.redis = pid;
    for (const name of ['api', 'worker', 'agent'] as const) {
      if (module === modules[name] && readStrings(pid, 'environ').includes(`THAW_DATA_DIR=${paths.dataDir}`)) found[name] = pid;
    }
  }
  return found;
}

/** Empty when the process has ended meanwhile. */
function readStrings(pid: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

async function killProcess(name: ProcessName, pid: number | undefined): Promise<void> {
  const target = pid === undefined ? undefined : findLiveProcess(pid);
  if (target === undefined) throw new Error(`no process ${name} runs`);
  process.kill(target.pid, 'SIGKILL');
  if (!(await waitUntilDead(systemClock, target, 5000))) throw new Error(`${name} (pid ${pid}) outlived SIGKILL`);
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || address === null) throw new Error('the kernel gave no port');
  return address.port;
}
