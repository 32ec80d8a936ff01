import { vi } from 'vitest';
import { z } from 'zod';
import { type AppState, askState } from '#test/contract/ask-app.ts';

const Failure = z.object({ code: z.string(), class: z.string(), message: z.string(), fix: z.string().optional() });

const Operation = z.object({
  id: z.string(),
  target: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  steps: z.array(z.object({ name: z.string(), state: z.string(), tookMs: z.number().optional() })),
  result: z.record(z.string(), z.unknown()).optional(),
  problem: Failure.optional(),
});
export type Operation = z.infer<typeof Operation>;

const Golden = z.object({ id: z.string(), state: z.string(), problem: Failure.optional() });

const PoolStatus = z.object({
  warm: z.number(),
  restoring: z.number(),
  claimed: z.number(),
  wanted: z.number(),
  reason: z.string().optional(),
});

const Claim = z.object({
  id: z.string(),
  state: z.string(),
  tenant: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  endReason: z.string().optional(),
  endDetail: z.string().optional(),
  exitCode: z.number().optional(),
  instance: z.object({
    id: z.string(),
    golden: z.string(),
    endpoints: z.array(z.object({ name: z.string(), url: z.string(), host: z.string(), port: z.number() })).min(1),
  }),
});
export type Claim = z.infer<typeof Claim>;

const ListedClaim = z.object({ id: z.string(), state: z.string(), instance: z.object({ id: z.string() }).optional() });
const ClaimPage = z.object({ items: z.array(ListedClaim), nextCursor: z.string().optional() });

const Instance = z.object({
  id: z.string(),
  template: z.string(),
  role: z.string(),
  state: z.string(),
  address: z.string().optional(),
  claim: z.string().optional(),
  problem: Failure.optional(),
});
export type Instance = z.infer<typeof Instance>;

const Problem = z.object({ status: z.number(), code: z.string(), class: z.string(), detail: z.string(), fix: z.string().optional() });

/** Thaw said no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly problem: z.infer<typeof Problem>;

  constructor(request: string, problem: z.infer<typeof Problem>) {
    super(`${request} was answered ${problem.status} ${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }
}

export type Rest = ReturnType<typeof connectRest>;

const requestTimeoutMs = 15_000;
const patienceMs = 30_000;
/** A pool of real clones on a busy machine. */
const fillPatienceMs = 120_000;

/** Thaw's REST, every answer parsed. A refusal is a RefusedError. */
export function connectRest(url: string, key: string) {
  const auth = { authorization: `Bearer ${key}` };

  async function send<T>(answer: z.ZodType<T>, method: string, path: string, body?: object, more: Record<string, string> = {}): Promise<T> {
    const headers = { ...auth, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...more };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(requestTimeoutMs) });
    const text = await response.text();
    const json: unknown = text === '' ? undefined : JSON.parse(text);
    if (!response.ok) throw new RefusedError(`${method} ${path}`, Problem.parse(json));
    return answer.parse(json);
  }

  async function list<T>(item: z.ZodType<T>, path: string): Promise<T[]> {
    return (await send(z.object({ items: z.array(item) }), 'GET', `${path}${path.includes('?') ? '&' : '?'}limit=200`)).items;
  }

  const poolStatus = async (pool: string) => (await send(z.object({ status: PoolStatus }), 'GET', `/v1/pools/${pool}`)).status;

  const beginCapture = (template: string) => send(Operation, 'POST', `/v1/templates/${template}/goldens`, {});
  /** The operation once it has ended, whatever its end. */
  const untilEnded = (id: string, timeoutMs?: number): Promise<Operation> =>
    eventually(async () => {
      const operation = await send(Operation, 'GET', `/v1/operations/${id}`);
      if (operation.state === 'queued' || operation.state === 'running') throw new Error(`${id} is ${JSON.stringify(operation)}`);
      return operation;
    }, timeoutMs);

  return {
    isReady: () =>
      fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).then(
        (response) => response.ok,
        () => false,
      ),
    putTemplate: (name: string, spec: object) => send(z.unknown(), 'PUT', `/v1/templates/${name}`, spec),
    putPool: (name: string, spec: object) => send(z.unknown(), 'PUT', `/v1/pools/${name}`, spec),
    deletePool: (name: string) => send(z.unknown(), 'DELETE', `/v1/pools/${name}`),
    poolStatus,
    untilWarm: (pool: string, warm: number) =>
      eventually(async () => {
        const status = await poolStatus(pool);
        if (status.warm !== warm || status.restoring > 0) throw new Error(`pool ${pool} is ${JSON.stringify(status)}, not ${warm} warm`);
      }, fillPatienceMs),
    /** Captures a template's next golden; answers the operation once it has ended, whatever its end. */
    capture: async (template: string) => untilEnded((await beginCapture(template)).id),
    beginCapture,
    untilEnded,
    cancel: (operation: string) => send(Operation, 'POST', `/v1/operations/${operation}/cancel`),
    getGolden: (id: string) => send(Golden, 'GET', `/v1/templates/${id.replace('@', '/goldens/')}`),
    claim: (pool: string, body: object, idempotencyKey?: string) =>
      send(Claim, 'POST', `/v1/pools/${pool}/claims`, body, idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    getClaim: (id: string) => send(Claim, 'GET', `/v1/claims/${id}`),
    /** The newest 200 at most; ended ones too. */
    listClaims: (tenant?: string) => list(Claim, tenant === undefined ? '/v1/claims' : `/v1/claims?tenant=${tenant}`),
    /** Page by page, ended ones too; those that never got an instance included. */
    listEveryClaim: async () => {
      const items: z.infer<typeof ListedClaim>[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page: z.infer<typeof ClaimPage> = await send(
          ClaimPage,
          'GET',
          `/v1/claims?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        items.push(...page.items);
        cursor = page.nextCursor;
      }
      return items;
    },
    /** A token for the gateway, good until the claim ends. */
    mintToken: async (id: string): Promise<string> => {
      const answer = await send(z.object({ token: z.string() }), 'POST', `/v1/claims/${id}/tokens`, { singleUse: false });
      return answer.token;
    },
    release: (id: string) => send(Claim, 'DELETE', `/v1/claims/${id}`),
    listInstances: () => list(Instance, '/v1/instances'),
    getInstance: (id: string) => send(Instance, 'GET', `/v1/instances/${id}`),
  };
}

/** Asks the test app behind a claim who it is; each call makes its counter grow by one. Throws when it does not answer in time. */
export function askClaimed({ instance }: Claim, timeoutMs?: number): Promise<AppState> {
  const [endpoint] = instance.endpoints;
  return askState({ address: endpoint?.host ?? '', ports: { 8080: endpoint?.port ?? 0 } }, timeoutMs);
}

/** Short of what it takes until the kernel gives up looking for an address that is gone (3 s), long beside any answer. */
const silenceMs = 1000;

/** Throws when the instance of a claim still answers. */
export async function requireSilence(claim: Claim): Promise<void> {
  const said = await askClaimed(claim, silenceMs).catch(() => undefined);
  if (said !== undefined) throw new Error(`${claim.instance.id} of claim ${claim.id} still answers: ${JSON.stringify(said)}`);
}

/** Tries again until it no longer throws. */
export function eventually<T>(condition: () => Promise<T>, timeoutMs = patienceMs): Promise<T> {
  return vi.waitFor(condition, { timeout: timeoutMs, interval: 50 });
}
