import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix } from '#src/platform/redis.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';

let server: TestRedis;

beforeAll(async () => {
  server = await startTestRedis();
});

afterAll(async () => {
  await server.stop();
});

test('a script runs with what it includes, and leaves out of an event the fields that have no value', async () => {
  const script = loadLuaScript(import.meta.url, './emit-test-event.lua');
  expect(await script.run(server.redis, [], [keyPrefix, 1_700_000_000_000])).toBe(1);
  const [entry] = await server.redis.xrange(`${keyPrefix}events`, '-', '+');
  expect(entry?.[1]).toEqual([
    ...['at', '1700000000000', 'type', 'claim.active', 'claim', 'clm_1'],
    ...['golden', 'api@7', 'timingsMs', '12'],
  ]);
});

test('a script with an include is found in the script cache by its hash the second time', async () => {
  const script = loadLuaScript(import.meta.url, './emit-test-event.lua');
  await script.run(server.redis, [], [keyPrefix, 1]);
  await server.redis.config('RESETSTAT');
  await script.run(server.redis, [], [keyPrefix, 2]);
  const stats = await server.redis.info('commandstats');
  expect(stats).toMatch(/cmdstat_evalsha:calls=1,.*failed_calls=0/);
  expect(stats).not.toContain('cmdstat_eval:');
});

test('an include that does not exist fails when the script is loaded', async () => {
  const directory = await mkdtemp('/tmp/thaw-lua-');
  try {
    await writeFile(join(directory, 'a.lua'), '--- @include "no-such-thing"\nreturn 1\n');
    expect(() => loadLuaScript(pathToFileURL(`${directory}/`).href, './a.lua')).toThrow('no-such-thing.lua');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
