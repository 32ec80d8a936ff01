import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { registerKey } from '#src/api/key-store.ts';
import { ProcessMessage } from '#src/platform/parent-process.ts';
import type { Redis } from '#src/platform/redis.ts';
import { PoolSpec } from '#src/pools/pool.ts';
import { savePool } from '#src/pools/store.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { type Load, loadServer, median, percentiles } from './load.ts';

const clients = 32;
const rounds = 5;
const roundMs = 1500;
const restMs = 500;
const clonesPerRound = 9000;
const key = 'the-key-of-the-claims-bench';

/**
 * Claims a second through the API, with the memory engine and a Redis that syncs every write, beside a bare Hono route that runs one script on the
 * same Redis: round by round in one run, medians. Nothing is refilled meanwhile.
 */
export async function benchClaims(): Promise<object> {
  await using bench = await openBench();
  const samples: { floor: Load; claims: Load }[] = [];
  await round(bench, roundMs / 3); // both warm
  for (let i = 0; i < rounds; i++) samples.push(await round(bench, roundMs));
  const burst = await burstOf(bench, 300);
  const ratio = median(samples.map(({ floor, claims }) => claims.perSecond / floor.perSecond));
  const figures = {
    perSecond: median(samples.map(({ claims }) => claims.perSecond)),
    floorPerSecond: median(samples.map(({ floor }) => floor.perSecond)),
    ratio: Math.round(ratio * 100) / 100,
    p50Ms: median(samples.map(({ claims }) => claims.p50Ms)),
    p99Ms: median(samples.map(({ claims }) => claims.p99Ms)),
    clients,
    fsyncP99Ms: await measureFsync(bench.redis),
    burst300Ms: burst,
  };
  report(figures);
  return figures;
}

interface Bench extends AsyncDisposable {
  readonly redis: Redis;
  readonly api: URL;
  readonly floor: URL;
  /** So many clones more are warm. */
  fill(count: number): Promise<void>;
}

async function round({ api, floor, fill }: Bench, forMs: number): Promise<{ floor: Load; claims: Load }> {
  await fill(clonesPerRound);
  await delay(restMs);
  const measuredFloor = await loadServer(floor, clients, forMs, () => ({
    method: 'POST',
    path: '/floor',
    body: JSON.stringify({ id: randomUUID() }),
  }));
  await delay(restMs);
  let left = clonesPerRound;
  const measured = await loadServer(api, clients, forMs, () => (left-- > 0 ? claim() : undefined));
  return { floor: measuredFloor, claims: measured };
}

function claim() {
  return {
    method: 'POST',
    path: '/v1/pools/bench/claims',
    headers: { authorization: `Bearer ${key}`, 'idempotency-key': randomUUID() },
    body: JSON.stringify({ tenant: 'acme', env: { PLAN: 'pro' }, secrets: { TOKEN: 's3cret' } }),
  };
}

/** From the first request to the last answer (ms). */
async function burstOf({ api, fill }: Bench, count: number): Promise<number> {
  await fill(count);
  await delay(restMs);
  let left = count;
  const startedAt = performance.now();
  await loadServer(api, count, 60_000, () => (left-- > 0 ? claim() : undefined));
  return Math.round(performance.now() - startedAt);
}

async function measureFsync(redis: Redis): Promise<number> {
  const tookMs: number[] = [];
  for (let i = 0; i < 300; i++) {
    const startedAt = performance.now();
    await redis.set('{thaw}:bench-fsync', i);
    tookMs.push(performance.now() - startedAt);
  }
  return percentiles(tookMs).p99Ms;
}

async function openBench(): Promise<Bench> {
  const directory = await makeTempDir();
  const server = await startTestRedis();
  await registerKey(server.redis, key, 'bench', 'backend');
  await savePool(server.redis, 'bench', PoolSpec.parse({ template: 'bench', size: { ready: 10_000, max: 10_000 } }));
  const env = { ...process.env, ...settings(directory.path, server) };
  const children = [
    start('#src/api/main.ts', [], env),
    start('#test/bench/claims-node.ts', [], env),
    start('#test/bench/claims-floor.ts', [server.url], env),
  ] as const;
  const [api, node, floor] = children;
  const [[ready], , [floorPort]] = await Promise.all([once(api, 'message'), once(node, 'message'), once(floor, 'message')]);
  const told = ProcessMessage.parse(ready);
  if (!('ready' in told) || told.url === undefined) throw new Error('the API told no address');
  return {
    redis: server.redis,
    api: new URL(told.url),
    floor: new URL(`http://127.0.0.1:${Number(floorPort)}`),
    fill: async (count) => {
      node.send(count);
      await once(node, 'message');
    },
    [Symbol.asyncDispose]: async () => {
      const ended = children.map((child) => once(child, 'exit'));
      for (const child of children) child.disconnect();
      await Promise.all(ended);
      await server.stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function settings(directory: string, { url }: TestRedis): Record<string, string> {
  return { THAW_DATA_DIR: directory, REDIS_URL: url, THAW_ENGINE: 'memory', THAW_NODE: 'bench', THAW_PORT: '0', LOG_LEVEL: 'error' };
}

function start(module: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return fork(fileURLToPath(import.meta.resolve(module)), args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

function report(figures: {
  perSecond: number;
  floorPerSecond: number;
  ratio: number;
  p50Ms: number;
  p99Ms: number;
  fsyncP99Ms: number;
  burst300Ms: number;
}) {
  const { perSecond, floorPerSecond, ratio, p50Ms, p99Ms, fsyncP99Ms, burst300Ms } = figures;
  const lines = [
    `claims with the memory engine, ${clients} clients, median of ${rounds} rounds:`,
    `  claims            ${perSecond}/s   p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
    `  bare Hono + script ${floorPerSecond}/s   (claims are ${ratio} of it; bar 0.5)`,
    `  burst of 300      ${burst300Ms} ms until all are answered (bar 500)`,
    `  fsync p99         ${fsyncP99Ms} ms`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
