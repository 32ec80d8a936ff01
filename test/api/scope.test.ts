import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Answer, fillPool, parseClaim, startService, type TestService } from '#test/support/service.ts';

let service: TestService;
let acme: string;
let globex: string;
let claim: string;

beforeAll(async () => {
  service = await startService();
  await fillPool(service, { ready: 3, max: 6 });
  acme = await makeKey({ name: 'acme', role: 'tenant', scope: { tenant: 'acme', pools: ['web'] } });
  const minted = await service.request('POST', '/v1/tenants/globex/tokens', {}, { as: 'backend' });
  globex = z.object({ token: z.string() }).parse(minted.body).token;
  claim = parseClaim(await as(acme, 'POST', '/v1/pools/web/claims', { tenant: 'acme' })).id;
});
afterAll(() => service.close());

async function makeKey(body: object): Promise<string> {
  return z.object({ secret: z.string() }).parse((await service.request('POST', '/v1/keys', body)).body).secret;
}

function as(secret: string, method: string, path: string, body?: object): Promise<Answer> {
  return service.request(method, path, body, { headers: { authorization: `Bearer ${secret}`, accept: 'application/json' } });
}

const operations = [
  ['GET', ''],
  ['POST', '/renew'],
  ['POST', '/ack'],
  ['POST', '/tokens'],
  ['GET', '/logs'],
  ['GET', '/timeline'],
  ['DELETE', ''],
] as const;

describe('a tenant', () => {
  it.each(operations)('can not tell another’s claim from one that does not exist: %s …%s', async (method, path) => {
    const ask = async (id: string) => {
      const answer = await as(globex, method, `/v1/claims/${id}${path}`, method === 'POST' ? {} : undefined);
      return { status: answer.status, said: answer.text.replaceAll(id, 'ID').replace(/"instance":"[^"]*"/, '') };
    };
    const [others, none] = [await ask(claim), await ask('clm-0000000000000000')];
    expect(others.status).toBe(404);
    expect(others).toEqual(none);
    expect((await as(acme, 'GET', `/v1/claims/${claim}`)).body).toMatchObject({ state: 'active' });
  });

  it('lists its own claims and events, and can not ask for another’s', async () => {
    const Items = z.object({ items: z.array(z.looseObject({ tenant: z.string().optional() })) });
    for (const path of ['/v1/claims', '/v1/events']) {
      expect(Items.parse((await as(acme, 'GET', path)).body).items.length, path).toBeGreaterThan(0);
      expect(Items.parse((await as(globex, 'GET', path)).body).items, path).toEqual([]);
      expect((await as(globex, 'GET', `${path}?tenant=acme`)).text, path).not.toContain(claim);
    }
  });

  it('claims for itself alone, from the pools of its scope alone', async () => {
    expect(await as(globex, 'POST', '/v1/pools/web/claims', { tenant: 'acme' })).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect((await as(globex, 'POST', '/v1/claims', { pools: ['web'], tenant: 'acme' })).status).toBe(403);
    expect((await as(acme, 'POST', '/v1/pools/other/claims', { tenant: 'acme' })).status).toBe(403);
    expect((await as(acme, 'POST', '/v1/claims', { pools: ['web', 'other'], tenant: 'acme' })).status).toBe(403);
    expect((await service.request('GET', '/v1/claims')).text).not.toContain('globex');
  });

  it('sees what it uses and may use, and nobody else’s', async () => {
    for (const path of ['', '/usage']) {
      expect((await as(acme, 'GET', `/v1/tenants/acme${path}`)).status).toBe(200);
      expect((await as(globex, 'GET', `/v1/tenants/acme${path}`)).status).toBe(403);
    }
  });

  it('never sees a node', async () => {
    const seen = await Promise.all(['', '/timeline'].map(async (path) => (await as(acme, 'GET', `/v1/claims/${claim}${path}`)).text));
    seen.push((await as(acme, 'GET', '/v1/claims')).text, (await as(acme, 'GET', '/v1/events')).text);
    for (const text of seen) expect(text).not.toMatch(/"node"|"n1"/);
  });
});

describe('idempotency keys', () => {
  it('of two tenants under one back end never meet', async () => {
    const mint = async (tenant: string) => {
      const minted = await service.request('POST', `/v1/tenants/${tenant}/tokens`, {}, { as: 'backend' });
      return z.object({ token: z.string() }).parse(minted.body).token;
    };
    const claimAs = async (tenant: string, token: string) => {
      const headers = { authorization: `Bearer ${token}`, 'idempotency-key': 'the same' };
      return parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant }, { headers }));
    };
    const [one, two] = [await claimAs('initech', await mint('initech')), await claimAs('hooli', await mint('hooli'))];
    expect([one.tenant, two.tenant]).toEqual(['initech', 'hooli']);
    expect(one.id).not.toBe(two.id);
    expect((await claimAs('hooli', await mint('hooli'))).id).toBe(two.id);
  });
});
