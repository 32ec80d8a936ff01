import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { waitUntilIdle } from '#src/cli/wait-until-idle.ts';
import type { InstanceExit } from '#src/engine/engine.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { runCommandLine } from './run-command-line.ts';

test('thaw try on a machine that misses a hard condition leaves no directory', async () => {
  const trials = () => readdirSync('/var/tmp').filter((name) => name.startsWith('thaw-try-'));
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
  const trials = () => readdirSync('/var/tmp').filter((name) => name.startsWith('thaw-try-'));
  const before = trials();
  expect(await runCommandLine({}, 'try', 'dir:/nowhere/at/all')).toMatchObject({ exitCode: 1, out: expect.stringContaining('No: ') });
  expect(trials()).toEqual(before);
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
