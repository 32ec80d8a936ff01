import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { fillPool, startService, type TestService, waitUntil, webTemplate } from '#test/support/service.ts';
import { type Known, type MadeRequest, makeRequest } from './make-request.ts';
import { createRandom } from './random.ts';

const requests = Number(process.env.THAW_PROPERTY_REQUESTS ?? 2200);
const seed = Number(process.env.THAW_PROPERTY_SEED ?? Date.now() % 2 ** 31);
/** Above all that a request here may ask to wait for. */
const deadlineMs = 5000;
const shownComplaints = 12;
/** So often what the requests took away is put back, so that the next ones reach something. */
const tendEvery = 250;

let service: TestService;
beforeAll(async () => {
  service = await startService({ checkpointMs: 100 }); // so that there is a capture to cancel
  await fillPool(service, { ready: 4, max: 30 });
});
afterAll(() => service.close());

it(`whatever is sent is answered as documented, and what is refused makes nothing (seed ${seed})`, {
  timeout: requests * 100,
}, async () => {
  const random = createRandom(seed);
  const { operations, document } = service.contract;
  const known = knownNames();
  const statuses: Statuses = new Map();
  const complaints: string[] = [];
  for (let index = 0; index < requests; index++) {
    if (index % tendEvery === 0) await tend(known);
    const operation = operations[index % operations.length] ?? random.pick(operations);
    const request = makeRequest(operation, document, known, random);
    const complaint = await judge(request, known, statuses).catch((error: unknown) => String(error));
    if (complaint !== undefined) complaints.push(`${describe(request)}:\n  ${complaint}`);
    if (complaints.length >= shownComplaints) break;
  }
  expect(complaints.join('\n')).toBe('');
  const neverServed = operations
    .map(({ operationId }) => operationId)
    .filter((id) => ![...(statuses.get(id) ?? [])].some((status) => status < 300));
  // Nearly all: which ones a run leaves out is chance.
  expect(neverServed.length, `only refused: ${neverServed}`).toBeLessThan(4);
});

it('afterwards it does its whole job', async () => {
  await service.request('POST', '/v1/nodes/n1/uncordon');
  expect((await service.request('PUT', '/v1/templates/after', webTemplate)).status).toBe(201);
  const { id } = z.object({ id: z.string() }).parse((await service.request('POST', '/v1/templates/after/goldens', {})).body);
  await waitUntil(async () => expect((await service.request('GET', `/v1/operations/${id}`)).body).toMatchObject({ state: 'succeeded' }));
  await service.request('PUT', '/v1/pools/after', { template: 'after', size: { ready: 1, max: 2 } });
  const claimed = await service.request('POST', '/v1/pools/after/claims', { tenant: 'somebody-else', waitMs: 10_000 });
  expect(claimed.body).toMatchObject({ state: 'active', tenant: 'somebody-else' });
});

type Statuses = Map<string, Set<number>>;

/** Sends it. What is wrong with what became of it; undefined when nothing is. */
async function judge(request: MadeRequest, known: Known, statuses: Statuses): Promise<string | undefined> {
  const before = await countRecords();
  const { status, body, text } = await send(request);
  remember(known, request.operation, body);
  statuses.set(request.operation, (statuses.get(request.operation) ?? new Set()).add(status));
  if (status >= 500 && status !== 503) return `answered ${status} ${text}`;
  if (status < 400) return undefined;
  const after = await countRecords();
  const isMade = after.some((count, index) => count > (before[index] ?? 0));
  return !isMade ? undefined : `refused with ${status}, but records went from ${before} to ${after}: ${text}`;
}

function knownNames(): Known {
  return new Map([
    ['template', ['web', 'web', 'side', 'spare', 'nothing']],
    ['pool', ['web', 'web', 'side', 'spare', 'nothing']],
    ['number', ['1', '1', '2', '3']],
    ['alias', ['stable', 'canary']],
    ['tenant', ['acme', 'acme', 'globex']],
    ['node', ['n1', 'n1', 'n2']],
    ['claim', ['clm-0123456789abcdef']],
    ['instance', ['ins-0123456789abcdef']],
    ['operation', ['op-0123456789abcdef']],
    ['key', ['key-0123456789abcdef']],
  ]);
}

/** Templates with goldens and pools, claims, operations: something of each kind that a request can be right about. */
async function tend(known: Known): Promise<void> {
  await service.request('POST', '/v1/nodes/n1/uncordon');
  for (const template of ['web', 'side', 'spare']) {
    await service.request('PUT', `/v1/templates/${template}`, webTemplate);
    const captured = await service.request('POST', `/v1/templates/${template}/goldens`, { promote: template !== 'spare' });
    remember(known, 'captureGolden', captured.body);
  }
  await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 4, max: 30 } });
  for (const tenant of ['acme', 'globex']) {
    await service.request('PUT', `/v1/tenants/${tenant}`, {});
    remember(known, 'claimInstance', (await service.request('POST', '/v1/pools/web/claims', { tenant, waitMs: 2000 })).body);
  }
  remember(known, 'createKey', (await service.request('POST', '/v1/keys', { name: 'another', role: 'backend' })).body);
}

const Answered = z.object({ id: z.string(), instance: z.object({ id: z.string() }).optional() });
const kinds: Readonly<Record<string, string>> = { clm: 'claim', ins: 'instance', op: 'operation', key: 'key' };

/** Of each kind the newest few; of the keys only those that requests have made. */
function remember(known: Known, operation: string, body: unknown): void {
  const { id, instance } = Answered.safeParse(body).data ?? {};
  for (const found of [id, instance?.id]) {
    const kind = kinds[found?.split('-', 1)[0] ?? ''];
    if (found === undefined || kind === undefined || (kind === 'key' && operation !== 'createKey')) continue;
    known.set(kind, [...(known.get(kind) ?? []), found].slice(-4));
  }
}

async function send({ method, path, body, as, headers }: MadeRequest) {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
  try {
    return await Promise.race([service.request(method, path, body, { as, headers }), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function describe(request: MadeRequest): string {
  return `seed ${seed}: ${JSON.stringify({ ...request, body: request.body?.slice(0, 400) })}`;
}

/** How much of each kind there is that a client can make; of claims those that wait or hold something. */
async function countRecords(): Promise<number[]> {
  const { redis } = service;
  const lists = ['templates', 'pools', 'leases', 'operations', 'tenants'].map((list) => redis.zcard(`{thaw}:${list}`));
  const goldens = ['web', 'side', 'spare'].map((template) => redis.zcard(`{thaw}:goldens:${template}`));
  return Promise.all([...lists, ...goldens, redis.hlen('{thaw}:keys')]);
}
