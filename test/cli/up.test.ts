import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#src/platform/clock.ts';
import { parseConfig } from '#src/platform/config.ts';
import { findEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { findLiveProcess } from '#src/platform/live-process.ts';
import { waitUntil } from './wait-until.ts';

interface Up {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Log lines, and the message it ends with. */
  readonly stderr: () => string;
  readonly exited: Promise<number | null>;
}

interface Started {
  readonly url: string;
  readonly adminKey: { key: string; isNew: boolean };
}

describe('thaw up', () => {
  let dataDir: string;
  let ups: Up[];
  const paths = () => parseConfig({ THAW_DATA_DIR: dataDir }).paths;
  const findRedis = () => findEmbeddedRedis({ clock: systemClock, paths: paths() });

  function launch(): Up {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./stand-in/up.ts', import.meta.url))], {
      env: { PATH: process.env.PATH, THAW_DATA_DIR: dataDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const exited = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
    const up = { process: child, stderr: () => said, exited };
    ups.push(up);
    return up;
  }

  async function start(): Promise<{ up: Up; started: Started }> {
    const up = launch();
    const line = once(createInterface({ input: up.process.stdout }), 'line').then(String);
    const started: Started = JSON.parse(await Promise.race([line, up.exited.then(() => Promise.reject(new Error(up.stderr())))]));
    return { up, started };
  }

  beforeEach(() => {
    dataDir = mkdtempSync('/tmp/thaw-up-');
    ups = [];
  });

  afterEach(async () => {
    for (const up of ups) if (up.process.exitCode === null) up.process.kill('SIGTERM');
    await Promise.all(ups.map((up) => up.exited));
    await waitUntil('no process of this test', () => processesOf(dataDir, 'REDIS_URL').length === 0);
    await (await findRedis())?.stop();
    rmSync(dataDir, { recursive: true });
  });

  test('it runs Redis, agent, worker and API, and SIGTERM ends them all within 10 s', async () => {
    const { up, started } = await start();
    expect(await answer(started)).toBe(1);
    expect(processesOf(dataDir, 'REDIS_URL')).toHaveLength(3);
    const redis = await findRedis();
    const stoppedAt = performance.now();
    up.process.kill('SIGTERM');
    expect(await up.exited).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(10_000);
    expect(processesOf(dataDir, 'REDIS_URL')).toEqual([]);
    expect(findLiveProcess(redis?.pid ?? 0)).toBeUndefined();
  });

  test('the first start makes an admin key that its owner alone can read; later starts keep it', async () => {
    const first = await start();
    first.up.process.kill('SIGTERM');
    await first.up.exited;
    const second = await start();
    expect(first.started.adminKey.isNew).toBe(true);
    expect(second.started.adminKey).toEqual({ key: first.started.adminKey.key, isNew: false });
    expect(statSync(paths().adminKey).mode & 0o777).toBe(0o600);
  });

  test('a second one on the same data directory is refused and says who is there', async () => {
    const { up } = await start();
    const second = launch();
    expect(await second.exited).toBe(1);
    expect(second.stderr()).toContain(`\`thaw up\` already runs on ${dataDir} (pid ${up.process.pid})`);
  });

  test('after kill -9 its processes end, Redis survives, and the next one adopts it with its data', async () => {
    const { up, started } = await start();
    await answer(started);
    const before = await findRedis();
    up.process.kill('SIGKILL');
    await up.exited;
    const again = await start();
    expect(await answer(again.started)).toBe(2);
    expect((await findRedis())?.pid).toBe(before?.pid);
    expect(processesOf(dataDir, 'REDIS_URL')).toHaveLength(3);
    again.up.process.kill('SIGTERM');
    await again.up.exited;
    expect(findLiveProcess(before?.pid ?? 0)).toBeUndefined();
  });

  test('a Redis that dies by kill -9 is started again with its data', async () => {
    const { started } = await start();
    await answer(started);
    const before = await findRedis();
    process.kill(before?.pid ?? 0, 'SIGKILL');
    expect(await answer(started)).toBe(2);
    expect((await findRedis())?.pid).not.toBe(before?.pid);
  });

  test('an API, worker or agent that dies is started again at once', async () => {
    await start();
    const before = processesOf(dataDir, 'REDIS_URL');
    const killedAt = performance.now();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await waitUntil('three new processes', () => {
      const now = processesOf(dataDir, 'REDIS_URL');
      return now.length === 3 && now.every((pid) => !before.includes(pid));
    });
    expect(performance.now() - killedAt).toBeLessThan(3000);
  });
});

async function answer({ url }: Started): Promise<number> {
  return Number(await (await fetch(url)).text());
}

/** Pids of the processes that have this data directory and the variable in their environment. */
function processesOf(dataDir: string, variable: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && findLiveProcess(Number(name)))
    .filter((pid) => {
      const names = environmentOf(pid);
      return names.includes(`THAW_DATA_DIR=${dataDir}`) && names.some((entry) => entry.startsWith(`${variable}=`));
    })
    .map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(join('/proc', pid, 'environ'), 'utf8').split('\0');
  } catch {
    return []; // ended in between
  }
}
