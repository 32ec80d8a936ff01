import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { lockDataDir } from '#src/cli/data-dir-lock.ts';
import { destroyEverything } from '#src/cli/destroy-everything.ts';
import { purgeData } from '#src/cli/purge-data.ts';
import { stopUp } from '#src/cli/stop-up.ts';
import type { EngineInstance } from '#src/engine/engine.ts';
import { systemClock } from '#src/platform/clock.ts';
import { type DataPaths, parseConfig } from '#src/platform/config.ts';
import { findEmbeddedRedis, startEmbeddedRedis } from '#src/platform/embedded-redis.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { runCommandLine } from './run-command-line.ts';

const pathsOf = (dataDir: string): DataPaths => parseConfig({ THAW_DATA_DIR: dataDir }).paths;

describe('thaw down', () => {
  test('nothing to stop is no failure', async () => {
    await using dir = await makeTempDir();
    expect(await runCommandLine({ THAW_DATA_DIR: dir.path }, 'down')).toMatchObject({
      exitCode: 0,
      out: `No \`thaw up\` ran on ${dir.path}.`,
    });
    expect(await runCommandLine({ THAW_DATA_DIR: `${dir.path}/none` }, 'down')).toMatchObject({ exitCode: 0 });
    expect(existsSync(`${dir.path}/none`)).toBe(false);
  });

  test('it stops the Redis that outlived its `thaw up`', async () => {
    await using dir = await makeTempDir();
    const deps = { clock: systemClock, paths: pathsOf(dir.path) };
    await startEmbeddedRedis(deps);
    const { lock, ran } = await stopUp(systemClock, deps.paths);
    lock.release();
    expect(ran).toBe(true);
    expect(await findEmbeddedRedis(deps)).toBeUndefined();
  });

  test('while it works, no `thaw up` starts', async () => {
    await using dir = await makeTempDir();
    const { lock } = await stopUp(systemClock, pathsOf(dir.path));
    await expect(lockDataDir(systemClock, pathsOf(dir.path), 'up')).rejects.toThrow('`thaw down` already runs');
    lock.release();
    (await lockDataDir(systemClock, pathsOf(dir.path), 'up')).release();
  });
});

describe('a directory that is used for something else', () => {
  test.each(['up', 'down'])('is neither used nor emptied by `thaw %s`', async (command) => {
    await using dir = await makeTempDir();
    for (const name of ['images', 'logs', 'thesis', 'music', 'mail']) mkdirSync(`${dir.path}/${name}`);
    const args = command === 'down' ? ['--destroy', '--purge'] : [];
    expect(await runCommandLine({ THAW_DATA_DIR: dir.path, THAW_ENGINE: 'memory' }, command, ...args)).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/ is no directory of Thaw's: it holds \w+, \w+, \w+\n +Set THAW_DATA_DIR to a directory that is empty/),
    });
    expect(readdirSync(dir.path)).toHaveLength(5);
  });

  test('is not the data directory of before, nor the root of a file system of its own', async () => {
    await using dir = await makeTempDir();
    mkdirSync(`${dir.path}/lost+found`);
    (await lockDataDir(systemClock, pathsOf(dir.path), 'up')).release();
    writeFileSync(`${dir.path}/notes`, '');
    (await lockDataDir(systemClock, pathsOf(dir.path), 'up')).release();
  });
});

describe('destroying everything', () => {
  function fakeEngine(stuck: readonly InstanceId[] = []) {
    const running: InstanceId[] = [newInstanceId(), newInstanceId(), newInstanceId(), ...stuck];
    const calls: string[] = [];
    return {
      running,
      calls,
      list: async (): Promise<EngineInstance[]> => running.map((id) => ({ id, state: 'running' })),
      destroy: async (id: InstanceId): Promise<void> => {
        if (stuck.includes(id)) throw new Error('its mount is busy');
        running.splice(running.indexOf(id), 1);
      },
      teardown: async (): Promise<void> => {
        calls.push(`teardown of ${running.length}`);
      },
    };
  }

  test('the engine is torn down when no instance is left, and goldens and records stay', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(dir.path);
    for (const path of [paths.redis, paths.images, paths.goldens, paths.instances, paths.run]) mkdirSync(path);
    const engine = fakeEngine();
    expect(await destroyEverything(engine, paths)).toBe(3);
    expect(engine.calls).toEqual(['teardown of 0']);
    expect(readdirSync(dir.path).toSorted()).toEqual(['goldens', 'images', 'redis']);
  });

  test('an instance that can not be destroyed is named, the others go, and the engine keeps what it needs', async () => {
    await using dir = await makeTempDir();
    const stuck = newInstanceId();
    const engine = fakeEngine([stuck]);
    const failure = destroyEverything(engine, pathsOf(dir.path));
    await expect(failure).rejects.toThrow(`1 of 4 instances could not be destroyed:\n  ${stuck}: its mount is busy`);
    expect(engine).toMatchObject({ running: [stuck], calls: [] });
  });

  test('it refuses while a worker runs that would make new ones', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(dir.path);
    const agent = createServer().listen(paths.agentSocket);
    const engine = fakeEngine();
    await expect(destroyEverything(engine, paths)).rejects.toThrow('a worker still runs');
    agent.close();
    expect(engine.running).toHaveLength(3);
  });
});

describe('purging the data directory', () => {
  test('removes it when all in it was ours', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(`${dir.path}/data`);
    mkdirSync(paths.goldens, { recursive: true });
    writeFileSync(paths.adminKey, 'secret');
    purgeData(paths);
    expect(readdirSync(dir.path)).toEqual([]);
  });

  test('leaves a mount point, empty', async () => {
    await using dir = await makeTempDir();
    expect(spawnSync('mount', ['-t', 'tmpfs', 'thaw-test', dir.path]).status).toBe(0);
    try {
      mkdirSync(pathsOf(dir.path).goldens);
      expect(purgeData(pathsOf(dir.path))).toBe(false);
      expect(readdirSync(dir.path)).toEqual([]);
    } finally {
      spawnSync('umount', [dir.path]);
    }
  });

  test('takes what a killed doctor and a torn write left', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(`${dir.path}/data`);
    mkdirSync(`${paths.dataDir}/.thaw-doctor-x`, { recursive: true });
    writeFileSync(`${paths.node}.new`, '');
    expect(purgeData(paths)).toBe(true);
  });

  test('takes the lock with it: who waited for the lock does not hold it on a file that is gone', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(dir.path);
    const first = await lockDataDir(systemClock, paths, 'down');
    writeFileSync(paths.lock, ''); // as before it is written: nobody can be named, so the second waits
    const second = lockDataDir(systemClock, paths, 'up');
    rmSync(paths.lock);
    first.release();
    const { release } = await second;
    await expect(lockDataDir(systemClock, paths, 'up')).rejects.toThrow('already runs');
    release();
  });

  test('leaves and names what is not ours', async () => {
    await using dir = await makeTempDir();
    mkdirSync(pathsOf(dir.path).goldens);
    writeFileSync(`${dir.path}/thesis.tex`, '');
    expect(() => purgeData(pathsOf(dir.path))).toThrow("holds what is not Thaw's: thesis.tex");
    expect(readdirSync(dir.path)).toEqual(['thesis.tex']);
  });

  test('removes nothing while something is mounted below', async () => {
    await using dir = await makeTempDir();
    const paths = pathsOf(dir.path);
    mkdirSync(paths.run);
    mkdirSync(paths.goldens);
    expect(spawnSync('mount', ['-t', 'tmpfs', 'thaw-test', paths.run]).status).toBe(0);
    try {
      expect(() => purgeData(paths)).toThrow(`${paths.run} is mounted below`);
      expect(existsSync(paths.goldens)).toBe(true);
    } finally {
      spawnSync('umount', [paths.run]);
    }
  });
});
