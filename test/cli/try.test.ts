import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareStarts } from '#src/cli/try-workload.ts';
import { waitUntilIdle } from '#src/cli/wait-until-idle.ts';
import type { InstanceExit } from '#src/engine/engine.ts';
import { parseConfig } from '#src/platform/config.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { commandAfter } from '#test/engine/checkpoint-habits.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { makeTestImage } from '#test/support/test-image.ts';
import { runCommandLine } from './run-command-line.ts';
import { tracesOf } from './traces-of.ts';
import { waitUntil } from './wait-until.ts';

const main = fileURLToPath(import.meta.resolve('#src/cli/main.ts'));
const trials = () => readdirSync('/var/tmp').filter((name) => name.startsWith('thaw-try-'));

test('thaw try on a machine that misses a hard condition leaves no directory', async () => {
  const before = trials();
  const path = process.env.PATH;
  try {
    process.env.PATH = '/nowhere'; // no runc, conmon, nft, …
    const refused = await runCommandLine({}, 'try', 'dir:/nowhere');
    expect(refused).toMatchObject({ exitCode: 1, err: expect.stringContaining('this machine can not run Thaw') });
  } finally {
    process.env.PATH = path;
  }
  expect(trials()).toEqual(before);
});

test('thaw try of an image that is not there leaves no directory', async () => {
  const before = trials();
  expect(await runCommandLine({}, 'try', 'dir:/nowhere/at/all')).toMatchObject({ exitCode: 1, out: expect.stringContaining('No: ') });
  expect(trials()).toEqual(before);
});

describe('a `thaw try` of a container', () => {
  let dir: Awaited<ReturnType<typeof makeTempDir>>;

  beforeAll(async () => {
    dir = await makeTempDir();
    await makeTestImage(dir.path);
  });
  afterAll(() => dir[Symbol.asyncDispose]());

  /** Under way, with an app that is never ready; `said` grows. */
  async function begin() {
    const args = [main, 'try', `dir:${dir.path}`, '--port', '8080', '--', '/bin/busybox', 'sleep', '600'];
    const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = once(child, 'close');
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await waitUntil('the app runs', () => said.includes('process started') || child.exitCode !== null);
    const [name = ''] = trials().filter((trial) => trial.startsWith(`thaw-try-${child.pid}-`));
    return { child, exited, said: () => said, ...parseConfig({ THAW_DATA_DIR: `/var/tmp/${name}` }) };
  }

  test('tells what a checkpoint would trip over, before it trips', async () => {
    const app = commandAfter('socket our $mptcp, 2, 1, 262 or die');
    const { exitCode, out } = await runCommandLine({}, 'try', `dir:${dir.path}`, '--port', '8080', '--', ...app);
    expect(out).toMatch(/1 process, \d+ MiB of memory: a checkpoint would fail, for 1 of what it holds/);
    expect(out).toContain('stops: perl (pid 1): a socket of the protocol MPTCP is open');
    expect(out).toContain('failed: the app holds an MPTCP socket');
    expect(exitCode).toBe(1);
  });

  test('that is cut short says so, and leaves nothing', async () => {
    const { child, exited, said, tag, paths } = await begin();
    child.kill('SIGINT');
    expect(await exited).toEqual([1, null]);
    expect(said()).toContain('Cut short by SIGINT, before there was an answer.');
    expect(tracesOf(tag, paths.dataDir)).toEqual([]);
  });

  test('that is killed leaves nothing once the next has run, and one that runs is left alone', async () => {
    const [killed, running] = [await begin(), await begin()];
    killed.child.kill('SIGKILL');
    await killed.exited;
    expect(tracesOf(killed.tag, killed.paths.dataDir)).not.toEqual([]);
    const next = await runCommandLine({}, 'try', 'dir:/nowhere/at/all');
    expect(next.err).toContain(`removing what a trial that was killed left in ${killed.paths.dataDir}`);
    expect(tracesOf(killed.tag, killed.paths.dataDir)).toEqual([]);
    expect(running.child.exitCode).toBeNull();
    running.child.kill('SIGTERM');
    await running.exited;
    expect(tracesOf(running.tag, running.paths.dataDir)).toEqual([]);
  });
});

test.each([
  [8000, 100, '8.00 s cold, 100 ms as a clone: 80 times faster'],
  [900, 600, '0.90 s cold, 600 ms as a clone: 1.5 times faster'],
  [210, 205, '0.21 s cold, 205 ms as a clone: not faster'],
  [100, 500, '0.10 s cold, 500 ms as a clone: not faster'],
])('a cold start of %i ms and a clone in %i ms are told as they are', (coldMs, cloneMs, words) => {
  expect(compareStarts(coldMs, cloneMs)).toBe(words);
});

test('an app that ends before it rests is told with its exit code and its last words', async () => {
  const id = newInstanceId();
  const listeners = new Set<(exit: InstanceExit) => void>();
  const engine = {
    stats: () => {
      queueMicrotask(() => {
        for (const listener of listeners) listener({ id, exitCode: 3, oomKilled: false });
      });
      return Promise.reject(new Error('no such cgroup'));
    },
    logs: () => Promise.resolve('no license found\n'),
    onExit: (listener: (exit: InstanceExit) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  await expect(waitUntilIdle(engine, id, 10_000, new AbortController().signal)).rejects.toMatchObject({
    code: 'app_exited',
    message: 'the app ended with exit code 3 before it was ready; its log ends with: no license found',
  });
  expect(listeners.size).toBe(0);
});
