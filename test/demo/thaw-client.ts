import { z } from 'zod';
import { exchange } from './exchange.ts';

const Operation = z.object({
  id: z.string(),
  target: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  steps: z.array(z.object({ name: z.string(), state: z.string(), tookMs: z.number().optional() })),
  result: z.record(z.string(), z.unknown()).optional(),
  problem: z.object({ code: z.string(), message: z.string(), fix: z.string().optional() }).optional(),
});
export type Operation = z.infer<typeof Operation>;

const Pool = z.object({
  status: z.object({ warm: z.number(), restoring: z.number(), claimed: z.number(), reason: z.string().optional() }),
});
export type PoolStatus = z.infer<typeof Pool>['status'];

const Claim = z.object({
  id: z.string(),
  state: z.string(),
  tenant: z.string(),
  instance: z.object({ id: z.string(), endpoints: z.array(z.object({ name: z.string(), host: z.string(), port: z.number() })).min(1) }),
});
export type Claim = z.infer<typeof Claim>;

const Instance = z.object({ id: z.string(), timingsMs: z.record(z.string(), z.number()) });
const Problem = z.object({ code: z.string(), title: z.string(), detail: z.string().default(''), fix: z.string().optional() });

/** Thaw said no. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code: string;

  constructor(request: string, problem: z.infer<typeof Problem>) {
    super(`${request}: ${problem.detail || problem.title}${problem.fix ? ` ${problem.fix}` : ''}`);
    this.code = problem.code;
  }
}

export interface ClaimRequest {
  readonly tenant: string;
  readonly leaseMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export type ThawClient = ReturnType<typeof createThawClient>;

const timeoutMs = 15_000;

/** The few calls of Thaw's REST that the demo makes, what it reads of their answers checked. */
export function createThawClient({ url, key }: { readonly url: string; readonly key: string }, signal: AbortSignal) {
  async function time<T>(answer: z.ZodType<T>, method: string, path: string, body?: object, idempotencyKey?: string) {
    const { status, text, tookMs } = await exchange(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const reply: unknown = text === '' ? undefined : JSON.parse(text);
    if (status >= 300) throw new RefusedError(`${method} ${path} answered ${status}`, Problem.parse(reply));
    return { answer: answer.parse(reply), tookMs };
  }

  const send = async <T>(answer: z.ZodType<T>, method: string, path: string, body?: object): Promise<T> =>
    (await time(answer, method, path, body)).answer;

  return {
    isReady: () =>
      exchange(`${url}/readyz`, { signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]) }).then(
        ({ status }) => status === 200,
        () => false,
      ),
    putTemplate: (template: string, spec: object) => send(z.unknown(), 'PUT', `/v1/templates/${template}`, spec),
    captureGolden: (template: string, promote: boolean) => send(Operation, 'POST', `/v1/templates/${template}/goldens`, { promote }),
    getOperation: (id: string) => send(Operation, 'GET', `/v1/operations/${id}`),
    cancelOperation: (id: string) => send(z.unknown(), 'POST', `/v1/operations/${id}/cancel`),
    putPool: (pool: string, spec: object) => send(z.unknown(), 'PUT', `/v1/pools/${pool}`, spec),
    getPoolStatus: async (pool: string): Promise<PoolStatus> => (await send(Pool, 'GET', `/v1/pools/${pool}`)).status,
    /** With the time to its answer. */
    claim: (pool: string, request: ClaimRequest, idempotencyKey: string) =>
      time(Claim, 'POST', `/v1/pools/${pool}/claims`, request, idempotencyKey),
    getClaim: (id: string) => send(Claim, 'GET', `/v1/claims/${id}`),
    release: (id: string) => send(z.unknown(), 'DELETE', `/v1/claims/${id}`),
    getInstance: (id: string) => send(Instance, 'GET', `/v1/instances/${id}`),
  };
}
