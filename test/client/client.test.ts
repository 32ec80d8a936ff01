import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '#src/client/claim.ts';
import { createThawClient, type ThawClient, type ThawClientOptions } from '#src/client/client.ts';
import { orThrow, ThawProblem } from '#src/client/problem.ts';
import { fillPool, keyOf, startService, type TestService, waitUntil } from '#test/support/service.ts';

let service: TestService;
let url: string;
let thaw: ThawClient;
const connect = (more: Partial<ThawClientOptions> = {}) => createThawClient({ url, key: keyOf('backend'), ...more });

beforeAll(async () => {
  service = await startService();
  url = await service.listen();
  await fillPool(service, { ready: 4, max: 12 }, { defaultMs: 60_000, maxMs: 600_000 });
});
afterAll(() => service.close());
beforeEach(async () => {
  thaw = connect();
  for (const { id } of await liveClaims()) await service.request('DELETE', `/v1/claims/${id}`);
});

async function liveClaims(): Promise<Claim[]> {
  const { items } = orThrow(await connect().GET('/v1/claims', { params: { query: { limit: 200 } } }));
  return items.filter(({ endedAt }) => endedAt === undefined);
}

/** A network that loses the answers to the first `losses` requests; what was sent is counted. */
function lossyNetwork(losses: number) {
  const sent: Request[] = [];
  const fetchLossy = async (request: Request) => {
    sent.push(request.clone());
    const response = await fetch(request);
    if (sent.length <= losses) throw new TypeError('the connection was reset');
    return response;
  };
  return { sent, fetch: fetchLossy };
}

/** Answers one after the other, the last one again and again. */
function scripted(...answers: (() => Response)[]) {
  const sentAt: number[] = [];
  const answer = async () => {
    sentAt.push(performance.now());
    const next = answers[Math.min(sentAt.length, answers.length) - 1];
    if (next === undefined) throw new Error('no answer is scripted');
    return next();
  };
  return { sentAt, fetch: answer };
}

const ok = () => Response.json({ items: [] });
const refusal = (status: number, headers: Record<string, string> = {}) =>
  Response.json({ code: 'pool_empty', detail: 'none' }, { status, headers });

describe('a call', () => {
  it('answers what the route says, with its type', async () => {
    const { name, status } = orThrow(await thaw.GET('/v1/pools/{pool}', { params: { path: { pool: 'web' } } }));
    expect([name, status.golden]).toEqual(['web', 'web@1']);
  });

  it('says by its problem why it was refused', async () => {
    const asked = thaw.GET('/v1/pools/{pool}', { params: { path: { pool: 'nope' } } }).then(orThrow);
    await expect(asked).rejects.toThrow(ThawProblem);
    await expect(asked).rejects.toMatchObject({ status: 404, code: 'pool_not_found', problem: { class: 'request' } });
  });

  it.each([429, 503])('that is refused for now (%i) is sent again when Retry-After says so', async (status) => {
    const { sentAt, fetch } = scripted(() => refusal(status, { 'Retry-After': '1' }), ok);
    expect((await connect({ fetch }).GET('/v1/pools')).data).toEqual({ items: [] });
    expect(sentAt).toHaveLength(2);
    expect((sentAt[1] ?? 0) - (sentAt[0] ?? 0)).toBeGreaterThan(980);
  });

  it('that is refused for good is sent once', async () => {
    const { sentAt, fetch } = scripted(() => refusal(409));
    expect((await connect({ fetch }).GET('/v1/pools')).response.status).toBe(409);
    expect(sentAt).toHaveLength(1);
  });

  it('is not sent more often, or later, than its limits allow; the last answer counts', async () => {
    const often = scripted(() => refusal(503));
    const answer = await connect({ fetch: often.fetch, retry: { attempts: 3 } }).GET('/v1/pools');
    expect([answer.response.status, often.sentAt.length]).toEqual([503, 3]);
    const late = scripted(() => refusal(503, { 'Retry-After': '30' }));
    await connect({ fetch: late.fetch, retry: { withinMs: 1000 } }).GET('/v1/pools');
    expect(late.sentAt).toHaveLength(1);
  });

  it('that takes too long is given up and sent again', async () => {
    let sent = 0;
    const silentOnce = (request: Request) => {
      sent++;
      return sent > 1
        ? fetch(request)
        : new Promise<Response>((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)));
    };
    const { data } = await connect({ fetch: silentOnce, retry: { attemptMs: 200 } }).GET('/v1/pools');
    expect([sent, data?.items.length]).toEqual([2, 1]);
  });

  it('that creates is not sent again after a lost answer without an Idempotency-Key', async () => {
    const network = lossyNetwork(1);
    const claim = connect({ fetch: network.fetch }).POST('/v1/pools/{pool}/claims', {
      ...{ params: { path: { pool: 'web' } }, body: { tenant: 'acme' } },
    });
    await expect(claim).rejects.toThrow('the connection was reset');
    expect(network.sent).toHaveLength(1);
  });

  it('ends at once when its signal aborts, also between two tries', async () => {
    const { fetch } = scripted(() => refusal(503, { 'Retry-After': '20' }));
    const giveUp = new AbortController();
    const asked = connect({ fetch }).GET('/v1/pools', { signal: giveUp.signal });
    giveUp.abort(new Error('never mind'));
    await expect(asked).rejects.toThrow('never mind');
  });
});

describe('claim', () => {
  it('holds an instance that answers, and releases it', async () => {
    const held = await thaw.claim('web', { tenant: 'acme' });
    const { endpoints } = held.claim.instance ?? { endpoints: [] };
    expect((await fetch(`http://${endpoints[0]?.host}:${endpoints[0]?.port}/`)).status).toBe(200);
    expect((await held.release()).state).toBe('released');
    expect((await held.release()).state).toBe('released');
    expect(held.claim.endReason).toBe('released');
  });

  it('whose answers are lost is asked for under one key, and is one claim', async () => {
    const network = lossyNetwork(3);
    const held = await connect({ fetch: network.fetch }).claim('web', { tenant: 'acme' });
    expect(network.sent.map(({ headers }) => headers.get('idempotency-key'))).toEqual(
      new Array(4).fill(expect.stringMatching(/^[\w-]{36}$/)),
    );
    expect(new Set(network.sent.map(({ headers }) => headers.get('idempotency-key'))).size).toBe(1);
    expect((await liveClaims()).map(({ id }) => id)).toEqual([held.id]);
  });

  it('under the same key, also from another process, is the same claim', async () => {
    const first = await thaw.claim('web', { tenant: 'acme' }, { idempotencyKey: 'order-1' });
    const second = await connect().claim('web', { tenant: 'acme' }, { idempotencyKey: 'order-1' });
    expect(second.id).toBe(first.id);
  });

  it('is released where its scope ends', async () => {
    let id = '';
    {
      await using held = await thaw.claim('web', { tenant: 'acme' });
      id = held.id;
    }
    const { data } = await thaw.GET('/v1/claims/{claim}', { params: { path: { claim: id } } });
    expect(data?.state).toBe('released');
  });

  it('with ack is acknowledged, because its answer arrived', async () => {
    expect((await thaw.claim('web', { tenant: 'acme', ack: true })).claim.state).toBe('active');
  });

  it('keeps its lease while it is renewed, and tells when it ended otherwise', async () => {
    const held = await thaw.claim('web', { tenant: 'acme', leaseMs: 1000 });
    const firstEnd = held.claim.expiresAt;
    const kept = held.keepRenewed({ leaseMs: 1000 });
    await waitUntil(async () => expect(Date.now()).toBeGreaterThan(Date.parse(firstEnd) + 500));
    expect((await thaw.GET('/v1/claims/{claim}', { params: { path: { claim: held.id } } })).data?.state).toBe('active');
    await service.request('DELETE', `/v1/claims/${held.id}`);
    expect(await kept).toMatchObject({ state: 'released', endReason: 'admin' });
  });

  it('is left alone by its renewal once the signal aborts', async () => {
    const held = await thaw.claim('web', { tenant: 'acme' });
    const stop = new AbortController();
    const kept = held.keepRenewed({ signal: stop.signal });
    stop.abort();
    expect((await kept).state).toBe('active');
  });

  it('longer in line than one request can wait is served when its turn comes', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => thaw.claim('web', { tenant: 'acme', waitMs: 20_000 })));
    const late = connect().claim('web', { tenant: 'acme', waitMs: 120_000 });
    await waitUntil(async () => expect((await liveClaims()).map(({ state }) => state)).toContain('waiting'));
    await all[0]?.release();
    expect((await late).claim.state).toBe('active');
  });

  it('in line that is given up leaves the line', async () => {
    await Promise.all(Array.from({ length: 12 }, () => thaw.claim('web', { tenant: 'acme', waitMs: 20_000 })));
    const giveUp = new AbortController();
    const late = thaw.claim('web', { tenant: 'acme', waitMs: 120_000 }, { signal: giveUp.signal });
    await waitUntil(async () => expect((await liveClaims()).map(({ state }) => state)).toContain('waiting'));
    giveUp.abort(new Error('never mind'));
    await expect(late).rejects.toThrow('never mind');
    expect((await liveClaims()).map(({ state }) => state)).not.toContain('waiting');
  });
});
