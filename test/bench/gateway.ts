import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ProcessMessage } from '#src/platform/parent-process.ts';
import { startTestRedis } from '#test/support/redis.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { type Load, loadServer, median } from './load.ts';

const clients = 32;
const rounds = 15;
const roundMs = 800; // shorter than it takes until a machine like ours slows down
const restMs = 400;
const key = 'the-key-of-the-gateway-bench';

/**
 * Small answers a second of one instance through the gateway beside those that it gives directly: round by round in one run, medians. API with
 * gateway, instance (of the memory engine) and this client are processes of their own; connections are kept.
 */
export async function benchGateway(): Promise<object> {
  await using bench = await openBench();
  const { direct, gateway, headers } = bench;
  const load = async (url: URL, forMs: number): Promise<Load> => {
    await delay(restMs);
    return loadServer(url, clients, forMs, () => ({ method: 'GET', path: url.pathname, headers }));
  };
  const samples: { direct: Load; gateway: Load }[] = [];
  for (const url of [direct, gateway]) await load(url, 3 * roundMs); // compiled by then
  for (let i = 0; i < rounds; i++) samples.push({ direct: await load(direct, roundMs), gateway: await load(gateway, roundMs) });
  const figures = {
    directPerSecond: median(samples.map(({ direct }) => direct.perSecond)),
    gatewayPerSecond: median(samples.map(({ gateway }) => gateway.perSecond)),
    ratio: Math.round(median(samples.map(({ direct, gateway }) => gateway.perSecond / direct.perSecond)) * 100) / 100,
    gatewayP50Ms: median(samples.map(({ gateway }) => gateway.p50Ms)),
    gatewayP99Ms: median(samples.map(({ gateway }) => gateway.p99Ms)),
    clients,
  };
  report(figures);
  return figures;
}

interface Bench extends AsyncDisposable {
  readonly direct: URL;
  readonly gateway: URL;
  /** Sent in both ways, so that both carry the same. */
  readonly headers: Readonly<Record<string, string>>;
}

const Minted = z.object({ token: z.string() });
const Held = z.object({
  id: z.string(),
  instance: z.object({ endpoints: z.tuple([z.object({ url: z.string(), host: z.string(), port: z.number() })]) }),
});

async function openBench(): Promise<Bench> {
  const directory = await makeTempDir();
  const redis = await startTestRedis();
  const env = {
    ...{ ...process.env, THAW_DATA_DIR: directory.path, REDIS_URL: redis.url, THAW_ENGINE: 'memory', THAW_NODE: 'bench' },
    ...{ THAW_PORT: '0', THAW_API_KEY: key, LOG_LEVEL: 'error' },
  };
  const children = [start('#src/api/main.ts', env), start('#workers/main.ts', env)] as const;
  const [ready] = await Promise.all(children.map(firstMessage));
  const told = ProcessMessage.parse(ready);
  if (!('ready' in told) || told.url === undefined) throw new Error('the API told no address');
  const held = await claimInstance(told.url);
  const [{ url, host, port }] = held.instance.endpoints;
  const { token } = Minted.parse(await call(told.url, 'POST', `/v1/claims/${held.id}/tokens`, { singleUse: false }));
  return {
    direct: new URL(`http://${host}:${port}/`),
    gateway: new URL(`${url}/`),
    headers: { 'thaw-token': token, accept: '*/*', 'user-agent': 'bench' },
    [Symbol.asyncDispose]: async () => {
      const ended = children.map((child) => once(child, 'exit'));
      for (const child of children) child.disconnect();
      await Promise.all(ended);
      await redis.stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function claimInstance(api: string): Promise<z.infer<typeof Held>> {
  const ready = { http: { port: 8080, path: '/' }, intervalMs: 10 };
  await call(api, 'PUT', '/v1/templates/bench', { image: 'dir:/app', ports: [{ name: 'web', port: 8080 }], ready });
  await call(api, 'POST', '/v1/templates/bench/goldens', {});
  await call(api, 'PUT', '/v1/pools/bench', { template: 'bench', size: { ready: 1, max: 1 }, lease: { defaultMs: 600_000 } });
  for (let tries = 0; tries < 300; tries++) {
    const claimed = Held.safeParse(await call(api, 'POST', '/v1/pools/bench/claims', { tenant: 'acme' }));
    if (claimed.success) return claimed.data;
    await delay(100);
  }
  throw new Error('nothing could be claimed within 30 s');
}

async function call(api: string, method: string, path: string, body: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (await fetch(`${api}${path}`, { method, headers, body: JSON.stringify(body) })).json();
}

/** Throws when the process ends before it says anything. */
async function firstMessage(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a process ended with ${code} at its start`)));
  const [message]: unknown[] = await Promise.race([once(child, 'message'), ended]);
  return message;
}

function start(module: string, env: NodeJS.ProcessEnv): ChildProcess {
  return fork(fileURLToPath(import.meta.resolve(module)), [], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

function report({ directPerSecond, gatewayPerSecond, ratio, gatewayP50Ms, gatewayP99Ms }: Record<string, number>): void {
  const lines = [
    `small answers of one instance, ${clients} kept connections, median of ${rounds} rounds:`,
    `  directly          ${directPerSecond}/s`,
    `  by the gateway    ${gatewayPerSecond}/s   (${ratio} of it; bar 0.6)   p50 ${gatewayP50Ms} ms, p99 ${gatewayP99Ms} ms`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
