import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type OwnProcess, startProcess } from '#test/support/processes.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const key = 'the-admin-key-of-this-test';
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const Operation = z.object({ id: z.string(), state: z.string(), steps: z.array(z.object({ name: z.string() })) });
const Pool = z.object({ status: z.object({ warm: z.number(), claimed: z.number() }) });
const Claim = z.object({
  id: z.string(),
  state: z.string(),
  instance: z.object({ id: z.string(), endpoints: z.array(z.object({ host: z.string(), port: z.number() })) }),
});

it('template, golden, pool, claim, talk, release, refill: over HTTP, through a kill of the API and of Redis', async () => {
  const directory = await makeTempDir();
  cleanUps.push(async () => directory[Symbol.asyncDispose]());
  let redis = await startRedis(directory.path);
  cleanUps.push(() => redis.kill());
  const env = {
    THAW_DATA_DIR: directory.path,
    THAW_ENGINE: 'memory',
    THAW_NODE: 'n1',
    THAW_PORT: '0',
    THAW_API_KEY: key,
    REDIS_URL: redis.url,
    LOG_LEVEL: 'warn',
  };
  const worker = await startProcess('worker', env);
  cleanUps.push(() => worker.kill());
  let api = await startProcess('api', env);
  cleanUps.push(() => api.kill());
  const ask = <T>(schema: z.ZodType<T>, method: string, path: string, body?: unknown) => request(api, schema, method, path, body);

  await ask(z.unknown(), 'PUT', '/v1/templates/search', {
    image: 'dir:/app',
    ports: [{ name: 'web', port: 8080 }],
    ready: { http: { port: 8080, path: '/' } },
  });
  const { id: operation } = await ask(Operation, 'POST', '/v1/templates/search/goldens', {});
  const captured = await until(async () => {
    const found = await ask(Operation, 'GET', `/v1/operations/${operation}`);
    expect(found.state).toBe('succeeded');
    return found;
  });
  expect(captured.steps.map((step) => step.name)).toEqual(['start', 'ready', 'checkpoint', 'verify', 'promote']);

  await ask(z.unknown(), 'PUT', '/v1/pools/search', { template: 'search', size: { ready: 3, max: 8 } });
  const waitForWarm = (warm: number) => until(async () => expect((await ask(Pool, 'GET', '/v1/pools/search')).status.warm).toBe(warm));
  await waitForWarm(3);

  const held = await ask(Claim, 'POST', '/v1/pools/search/claims', { tenant: 'acme', env: { PLAN: 'gold' } });
  const [endpoint] = held.instance.endpoints;
  const talk = async () => (await fetch(`http://${endpoint?.host}:${endpoint?.port}`)).status;
  expect(await talk()).toBe(200);

  await api.kill();
  api = await startProcess('api', env);
  expect(await ask(Claim, 'GET', `/v1/claims/${held.id}`)).toMatchObject({ state: 'active', instance: { id: held.instance.id } });
  await redis.kill();
  redis = await startRedis(directory.path);
  expect(await ask(Claim, 'GET', `/v1/claims/${held.id}`)).toMatchObject({ state: 'active', instance: { id: held.instance.id } });
  expect(await talk()).toBe(200);

  expect((await ask(Claim, 'DELETE', `/v1/claims/${held.id}`)).state).toBe('released');
  await until(async () => await expect(talk()).rejects.toThrow());
  await waitForWarm(3);

  expect([await api.stop(), await worker.stop()]).toEqual([0, 0]);
});

async function request<T>(api: OwnProcess, schema: z.ZodType<T>, method: string, path: string, body: unknown): Promise<T> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(`${api.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return schema.parse(JSON.parse(text));
}

function until<T>(condition: () => Promise<T>): Promise<T> {
  return vi.waitFor(condition, { timeout: 20_000, interval: 50 });
}

/** One that can be killed and started again on the same files. */
async function startRedis(directory: string) {
  const socket = join(directory, 'r.sock');
  const settings = ['--port', '0', '--unixsocket', socket, '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'always'];
  const server = spawn('redis-server', [...settings, '--save', ''], { stdio: 'ignore' });
  const exited = once(server, 'exit');
  return {
    url: `unix://${socket}`,
    kill: async () => {
      server.kill('SIGKILL');
      await exited;
    },
  };
}
