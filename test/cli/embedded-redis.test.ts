import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#src/platform/clock.ts';
import { parseConfig } from '#src/platform/config.ts';
import { type EmbeddedRedis, findEmbeddedRedis, startEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { findLiveProcess } from '#src/platform/live-process.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { redisLock, redisLog } from '#src/platform/redis-server.ts';

describe('the embedded Redis', () => {
  let dataDir: string;
  let started: EmbeddedRedis[];
  const deps = () => ({ clock: systemClock, paths: parseConfig({ THAW_DATA_DIR: dataDir }).paths });

  async function start(): Promise<EmbeddedRedis> {
    const redis = await startEmbeddedRedis(deps());
    started.push(redis);
    return redis;
  }

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'thaw-redis-'));
    started = [];
  });

  afterEach(async () => {
    for (const redis of started) await redis.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test('it writes every command to disk and listens on a unix socket of its owner alone', async () => {
    const { url, pid, adopted } = await start();
    const client = connectRedis(url);
    const settings = await client.config('GET', 'append*', 'port', 'save', 'maxmemory-policy', 'bind');
    client.disconnect();
    expect(adopted).toBe(false);
    expect(Object.fromEntries(pairs(settings))).toMatchObject({
      appendonly: 'yes',
      appendfsync: 'always',
      port: '0',
      save: '',
      'maxmemory-policy': 'noeviction',
    });
    expect(listeningTcpInodes(pid)).toEqual([]);
    expect(statSync(join(dataDir, 'redis')).mode & 0o777).toBe(0o700);
    expect(statSync(url.slice('unix://'.length)).mode & 0o777).toBe(0o700);
  });

  test('a second start adopts the one that runs, and can stop it', async () => {
    const first = await start();
    const second = await start();
    expect(second).toMatchObject({ adopted: true, pid: first.pid, url: first.url });
    await second.stop();
    await first.waitForExit();
    expect(findLiveProcess(first.pid)).toBeUndefined();
    expect(await findEmbeddedRedis(deps())).toBeUndefined();
  });

  test('starts at the same moment end with one server', async () => {
    const all = await Promise.all([start(), start(), start()]);
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
    expect(all.filter(({ adopted }) => !adopted)).toHaveLength(1);
  });

  test('the lock keeps every other redis-server off its directory, and ends with it', async () => {
    const redis = await start();
    const lock = ['--no-fork', '--nonblock', '--conflict-exit-code', '75', redisLock(deps().paths), 'redis-server', '--port', '0'];
    expect(spawnSync('flock', lock).status).toBe(75);
    process.kill(redis.pid, 'SIGKILL');
    await redis.waitForExit();
    expect(spawnSync('flock', ['--nonblock', redisLock(deps().paths), 'true']).status).toBe(0);
  });

  test('what was answered is there after kill -9', async () => {
    const first = await start();
    const client = connectRedis(first.url);
    await client.set('{thaw}:kept', 'yes');
    process.kill(first.pid, 'SIGKILL');
    await first.waitForExit();
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(second.pid).not.toBe(first.pid);
    expect(await client.get('{thaw}:kept')).toBe('yes');
    client.disconnect();
  });

  test('its log is bounded', async () => {
    await (await start()).stop();
    const log = redisLog(deps().paths);
    writeFileSync(log, 'x'.repeat(1024 * 1024 + 1));
    await start();
    expect(statSync(log).size).toBeLessThan(100_000);
    expect(statSync(`${log}.1`).size).toBe(1024 * 1024 + 1);
  });

  test('a server that can not start is reported with the end of its log', async () => {
    await (await start()).stop();
    writeFileSync(join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'nonsense\n');
    await expect(start()).rejects.toMatchObject({ code: 'redis_unavailable', message: expect.stringContaining('manifest') });
  });
});

function pairs(flat: unknown): [string, string][] {
  const list = Array.isArray(flat) ? flat.map(String) : [];
  return list.flatMap((value, at) => (at % 2 === 0 ? [[value, list[at + 1] ?? ''] as [string, string]] : []));
}

function listeningTcpInodes(pid: number): string[] {
  const { stdout } = spawnSync('ss', ['--tcp', '--udp', '--listening', '--numeric', '--processes', '--no-header'], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(`pid=${pid},`));
}
