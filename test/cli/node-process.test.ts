import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NodeProcess, type NodeProcessSpec, startNodeProcess } from '#src/cli/node-process.ts';
import { processModules } from '#src/cli/process-modules.ts';
import { findLiveProcess } from '#src/platform/live-process.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const standIn = fileURLToPath(new URL('./stand-in/process.ts', import.meta.url));
const never = new AbortController().signal;

describe('a process of `thaw up`', () => {
  let redis: TestRedis;
  let dir: Awaited<ReturnType<typeof makeTempDir>>;
  let running: NodeProcess | undefined;

  beforeEach(async () => {
    redis = await startTestRedis();
    dir = await makeTempDir();
    running = undefined;
  });

  afterEach(async () => {
    await running?.stop();
    await redis.stop();
    await dir[Symbol.asyncDispose]();
  });

  const spec = (over: Partial<NodeProcessSpec> = {}): NodeProcessSpec => ({
    ...{ name: 'api', module: standIn, stopDeadlineMs: 5000, silenceLimitMs: 2000, standing: 'after' },
    env: { PATH: process.env.PATH, THAW_DATA_DIR: dir.path, REDIS_URL: redis.url, LOG_LEVEL: 'fatal' },
    ...over,
  });

  test('that hangs is killed after its limit, and the cause is told', async () => {
    running = await startNodeProcess(spec(), never);
    process.kill(running.pid, 'SIGSTOP');
    expect(await running.waitForExit()).toBe('hung: it was killed after 2000 ms without a sign of life');
    expect(findLiveProcess(running.pid)).toBeUndefined();
  });

  test('that can not listen says so in one line: which setting, who holds the port, what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = String(typeof address === 'object' && address ? address.port : 0);
    const started = startNodeProcess(spec({ module: processModules.api, env: { ...spec().env, THAW_PORT: port } }), never);
    await expect(started).rejects.toMatchObject({
      name: 'CommandError',
      message: `the api process could not start: 127.0.0.1:${port} is in use by node (pid ${process.pid})`,
      fix: 'Set THAW_PORT to a free port, or end what listens there.',
    });
    taken.close();
  });

  describe('under one that is suspended itself', () => {
    let parent: ChildProcess;

    afterEach(async () => {
      parent.kill('SIGCONT');
      parent.kill('SIGTERM');
      if (parent.exitCode === null) await once(parent, 'exit');
    });

    test('is not taken for silent', async () => {
      const limitMs = 1500;
      const module = fileURLToPath(new URL('./stand-in/parent.ts', import.meta.url));
      const env = { ...spec().env, SILENCE_LIMIT_MS: String(limitMs) };
      parent = spawn(process.execPath, [module], { env: { ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface({ input: parent.stdout ?? process.stdin })[Symbol.asyncIterator]();
      const pid = Number((await lines.next()).value);
      parent.kill('SIGSTOP');
      await delay(2 * limitMs); // the time that passes is what this is about
      parent.kill('SIGCONT');
      await delay(limitMs / 2);
      expect(findLiveProcess(pid)).toBeDefined();
      process.kill(pid, 'SIGKILL');
      expect((await lines.next()).value).toBe('was ended by SIGKILL');
    });
  });
});
