import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '#src/platform/subprocess.ts';

/** A Thaw of the demo's own: data directory, port and key are new, so that it meets no other on this machine. */
export interface Service {
  readonly url: string;
  readonly key: string;
  readonly dataDir: string;
  /** SIGKILLs the process that listens on the port, and answers its pid. `thaw up` starts it again. */
  killApi(): Promise<number>;
  /** Ends every instance and process, and removes the data. */
  destroy(): Promise<void>;
  /** Lets it go on when the demo ends. */
  leaveRunning(): void;
  /** Whether `thaw up` has ended by itself. */
  hasEnded(): boolean;
  /** The end of what it logged. */
  logTail(): Promise<string>;
}

const command = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
const startTimeoutMs = 60_000;
const downTimeoutMs = 60_000;

/** Runs `thaw up`. Answers at once: see untilReady. */
export async function startService(imageRoot: string): Promise<Service> {
  const dataDir = `/var/tmp/thaw-demo-${randomBytes(4).toString('hex')}`; // not /tmp, which may be memory
  const log = join(dataDir, 'logs', 'up.log'); // goes with the data
  await mkdir(dirname(log), { recursive: true, mode: 0o711 });
  const port = await findFreePort();
  const key = randomBytes(18).toString('base64url');
  const env = {
    ...inheritedEnvironment(),
    THAW_PORT: String(port),
    THAW_DATA_DIR: dataDir,
    THAW_API_KEY: key,
    THAW_IMAGE_ROOTS: imageRoot,
    LOG_LEVEL: 'warn',
  };
  const logFd = openSync(log, 'a', 0o600);
  // A process group of its own: Ctrl-C is for the demo, which ends it in order.
  const up = spawn(process.execPath, [command, 'up'], { env, detached: true, stdio: ['ignore', logFd, logFd] });
  closeSync(logFd);
  const logTail = async () => (await readFile(log, 'utf8')).trim().split('\n').slice(-15).join('\n');
  return {
    url: `http://127.0.0.1:${port}`,
    key,
    dataDir,
    logTail,
    hasEnded: () => up.exitCode !== null || up.signalCode !== null,
    killApi: () => killListener(port),
    leaveRunning: () => up.unref(),
    async destroy() {
      await run([process.execPath, command, 'down', '--destroy', '--purge'], { env, timeoutMs: downTimeoutMs });
      await waitForEnd(up);
    },
  };
}

/** Throws when the service has ended, or is not ready within a minute. */
export async function untilReady(service: Service, isReady: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  while (!(await isReady())) {
    signal.throwIfAborted();
    if (service.hasEnded()) throw new Error('thaw up has ended');
    if (performance.now() > deadline) throw new Error(`Thaw was not ready within ${startTimeoutMs} ms`);
    await sleep(50, undefined, { signal });
  }
}

/** Without the caller's own settings of Thaw. */
function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || name.startsWith('THAW_') || name === 'REDIS_URL' ? [] : [[name, value]],
    ),
  );
}

async function killListener(port: number): Promise<number> {
  const { stdout } = await run(['ss', '--listening', '--tcp', '--processes', '--no-header', `sport = :${port}`], { timeoutMs: 5000 });
  const pid = Number(/pid=(\d+)/.exec(stdout)?.[1]);
  if (!Number.isInteger(pid)) throw new Error(`no process listens on port ${port}: ${stdout}`);
  process.kill(pid, 'SIGKILL');
  return pid;
}

async function waitForEnd(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit', { signal: AbortSignal.timeout(downTimeoutMs) });
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (typeof address !== 'object' || address === null) throw new Error('the kernel gave no port');
  return address.port;
}
