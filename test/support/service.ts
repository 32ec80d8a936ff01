import { vi } from 'vitest';
import { z } from 'zod';
import { registerKey } from '#src/api/key-store.ts';
import { type ApiServer, openServer } from '#src/api/open-server.ts';
import { openapiYaml } from '#src/api/openapi-document.ts';
import { composeApi, composeWorker } from '#src/compose.ts';
import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import type { MemoryTimings } from '#src/engine/memory/simulation.ts';
import { agentListen, serveAgent } from '#src/nodes/agent.ts';
import { systemClock } from '#src/platform/clock.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import type { Role } from '#src/platform/http/access.ts';
import { listenAt } from '#src/platform/listen-at.ts';
import { createLogger } from '#src/platform/log.ts';
import type { Redis } from '#src/platform/redis.ts';
import { startWorker } from '#workers/start-worker.ts';
import { type ApiContract, readContract } from './api-contract.ts';
import { startTestRedis } from './redis.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed, when it is JSON. */
  readonly body: unknown;
}

interface RequestOptions {
  readonly as?: Role;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** API and worker with the memory engine on a real Redis, in this process; requests go straight to the app. */
export interface TestService {
  readonly redis: Redis;
  readonly config: Config;
  readonly engine: MemoryEngine;
  readonly contract: ApiContract;
  /** Throws when the answer is not as openapi.yaml documents it. */
  request(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  /** Serves the API and the gateway on a port as well; answers the URL. */
  listen(): Promise<string>;
  /** As a killed worker: what it was doing is not finished. The engine and its instances stay. */
  stopWorker(): Promise<void>;
  startWorker(): Promise<void>;
  close(): Promise<void>;
}

const keys: Readonly<Record<Role, string>> = {
  admin: 'an admin key of the tests',
  backend: 'a backend key of the tests',
  tenant: 'a tenant key of the tests',
};

const quick: MemoryTimings = { startMs: 1, checkpointMs: 1, restoreMs: 1, bindMs: 0 };

export async function startService(timings: Partial<MemoryTimings> = {}): Promise<TestService> {
  const directory = await makeTempDir();
  const server = await startTestRedis();
  const config = parseConfig({ THAW_DATA_DIR: directory.path, REDIS_URL: server.url, THAW_ENGINE: 'memory', THAW_NODE: 'n1' });
  const log = createLogger('error', 'test');
  const api = await composeApi(config, log);
  for (const role of ['admin', 'backend', 'tenant'] as const) {
    await registerKey(server.redis, keyOf(role), role, role, role === 'tenant' ? { tenant: 'acme' } : {});
  }
  const contract = readContract(openapiYaml(api.app));
  const engine = createMemoryEngine({ clock: systemClock, timings: { ...quick, ...timings } });
  const runWorker = async () => {
    const deps = await composeWorker(config, log, engine);
    const agent = await serveAgent(deps, agentListen(config));
    const running = await startWorker(deps, agent.address);
    return async () => {
      await running.stop();
      await agent.close();
      await deps.jobs.close();
      deps.redis.disconnect();
      deps.subscriber.disconnect();
    };
  };
  let stop = await runWorker();
  let served: ApiServer | undefined;
  return {
    redis: server.redis,
    config,
    engine,
    contract,
    request: async (method, path, body, { as = 'admin', headers = {}, signal } = {}) => {
      const response = await api.app.request(path, {
        method,
        headers: {
          authorization: `Bearer ${keyOf(as)}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(signal === undefined ? {} : { signal }),
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = text !== '' && /[/+]json\b/.test(response.headers.get('content-type') ?? '');
      const answer = { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
      const complaint = contract.complaintOf({ method, path }, answer);
      if (complaint !== undefined) throw new Error(complaint);
      return answer;
    },
    listen: async () => {
      served = await openServer({ ...api, log }, undefined);
      await listenAt(served.server, { host: '127.0.0.1', port: 0 }, { host: 'THAW_HOST', port: 'THAW_PORT' });
      const address = served.server.address();
      api.place.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
      return api.place.url;
    },
    stopWorker: () => stop(),
    startWorker: async () => {
      stop = await runWorker();
    },
    close: async () => {
      await stop();
      await served?.close(1000);
      await api.close();
      await engine.close();
      await server.stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Bearer keys hold no spaces. */
export function keyOf(role: Role): string {
  return keys[role].replaceAll(' ', '-');
}

export const webTemplate = {
  image: 'dir:/app',
  ports: [{ name: 'web', port: 8080 }],
  ready: { http: { port: 8080, path: '/' }, timeoutMs: 5000, intervalMs: 5 },
};

type Requests = Pick<TestService, 'request'>;

/** Template, golden and a pool of the name `web`, filled. */
export async function fillPool(service: Requests, size: { ready: number; max: number }, lease: object = {}): Promise<void> {
  await service.request('PUT', '/v1/templates/web', webTemplate);
  await captureGolden(service);
  await service.request('PUT', '/v1/pools/web', { template: 'web', size, lease });
  await waitForPool(service, { warm: size.ready });
}

/** Changes the pool of fillPool. */
export async function putPool(service: Requests, spec: object): Promise<void> {
  const answer = await service.request('PUT', '/v1/pools/web', { template: 'web', ...spec });
  if (answer.status !== 200) throw new Error(answer.text);
}

export async function captureGolden(service: Requests): Promise<void> {
  const { id } = z.object({ id: z.string() }).parse((await service.request('POST', '/v1/templates/web/goldens', {})).body);
  await waitUntil(async () => {
    const { state } = z.object({ state: z.string() }).parse((await service.request('GET', `/v1/operations/${id}`)).body);
    if (state !== 'succeeded') throw new Error(`the capture is ${state}`);
  });
}

const Status = z.object({
  warm: z.number(),
  restoring: z.number(),
  claimed: z.number(),
  wanted: z.number(),
  reason: z.string().optional(),
});

export async function poolStatus(service: Requests): Promise<z.infer<typeof Status>> {
  return z.object({ status: Status }).parse((await service.request('GET', '/v1/pools/web')).body).status;
}

export async function waitForPool(service: Requests, wanted: Partial<z.infer<typeof Status>>): Promise<void> {
  await waitUntil(async () => {
    const status = await poolStatus(service);
    for (const [name, value] of Object.entries(wanted)) {
      if (Object.entries(status).find(([key]) => key === name)?.[1] !== value) throw new Error(`the pool is ${JSON.stringify(status)}`);
    }
  });
}

/** Tries again until it no longer throws, for ten seconds. */
export function waitUntil<T>(condition: () => Promise<T>): Promise<T> {
  return vi.waitFor(condition, { timeout: 10_000, interval: 10 });
}

const ClaimAnswer = z.object({
  id: z.string(),
  state: z.string(),
  pool: z.string(),
  tenant: z.string(),
  expiresAt: z.iso.datetime(),
  endReason: z.string().optional(),
  endDetail: z.string().optional(),
  exitCode: z.number().optional(),
  instance: z.object({
    id: z.string(),
    golden: z.string(),
    endpoints: z.array(z.object({ name: z.string(), url: z.string(), host: z.string(), port: z.number() })),
  }),
  receipt: z
    .object({ path: z.string(), golden: z.string(), reason: z.string().optional(), timingsMs: z.record(z.string(), z.number()) })
    .optional(),
});
export type ClaimAnswer = z.infer<typeof ClaimAnswer>;

export function parseClaim(answer: Answer): ClaimAnswer {
  return ClaimAnswer.parse(answer.body);
}
