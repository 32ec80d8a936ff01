import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fillPool, parseClaim, startService, type TestService, waitForPool, waitUntil } from '#test/support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
  await fillPool(service, { ready: 3, max: 20 });
});
afterAll(() => service.close());

let tenant: string;
let made = 0;
beforeEach(async () => {
  tenant = `tenant-${made++}`;
  await waitForPool(service, { warm: 3 });
});

const put = (limits: object, headers: Record<string, string> = {}) => service.request('PUT', `/v1/tenants/${tenant}`, limits, { headers });
const get = () => service.request('GET', `/v1/tenants/${tenant}`);
const claim = (body: object = {}) => service.request('POST', '/v1/pools/web/claims', { tenant, ...body });
const Usage = z.object({ claims: z.number(), instanceSeconds: z.number(), live: z.number(), since: z.iso.datetime().optional() });
const usage = async () => Usage.parse((await service.request('GET', `/v1/tenants/${tenant}/usage`)).body);

describe('a tenant', () => {
  it('that nobody has heard of has no limits and holds nothing', async () => {
    expect(await get()).toMatchObject({ status: 200, body: { tenant, limits: {}, held: 0, waiting: 0 } });
    expect(await usage()).toEqual({ claims: 0, instanceSeconds: 0, live: 0 });
  });

  it('is limited in what it holds, in all pools together, until it gives something back', async () => {
    expect(await put({ held: 1 })).toMatchObject({ status: 200, body: { limits: { held: 1 } } });
    const first = parseClaim(await claim());
    expect(await get()).toMatchObject({ body: { limits: { held: 1 }, held: 1 } });
    expect(await claim()).toMatchObject({ status: 429, body: { code: 'quota_exceeded' } });
    await service.request('DELETE', `/v1/claims/${first.id}`);
    expect((await claim()).status).toBe(201);
  });

  it('is limited in its claims per minute', async () => {
    await put({ claimsPerMinute: 2 });
    expect([(await claim()).status, (await claim()).status, (await claim()).status]).toEqual([201, 201, 429]);
  });

  it('with a limit of 0 is kept out, and let in again when the limits are taken back', async () => {
    await put({ held: 0 });
    expect((await claim()).status).toBe(429);
    expect(await put({})).toMatchObject({ body: { limits: {} } });
    expect((await claim()).status).toBe(201);
  });

  it('is changed by one admin at a time', async () => {
    const etag = (await get()).headers.get('etag') ?? '';
    expect((await put({ held: 5 }, { 'if-match': etag })).status).toBe(200);
    expect(await put({ held: 6 }, { 'if-match': etag })).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    const now = (await get()).headers.get('etag') ?? '';
    expect(now).not.toBe(etag);
    expect((await put({}, { 'if-match': now })).headers.get('etag')).toBe(etag);
  });

  it.each([
    [{ held: -1 }, 'held'],
    [{ held: 1.5 }, 'held'],
    [{ claimsPerMinute: '9' }, 'claimsPerMinute'],
    [{ waiting: null }, 'waiting'],
    [{ hold: 1 }, 'hold'],
  ])('is not given limits such as %j', async (limits, path) => {
    expect(await put(limits)).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path }] } });
    expect(await get()).toMatchObject({ body: { limits: {} } });
  });

  it('whose name can be none is refused', async () => {
    for (const name of ['-x', '%20', 'a'.repeat(129), 'a%2Fb', '%00']) {
      expect(await service.request('GET', `/v1/tenants/${name}`), name).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    }
  });
});

describe('usage', () => {
  it('counts live claims until now and ended ones for good', async () => {
    const { id } = parseClaim(await claim());
    const live = await waitUntil(async () => {
      const now = await usage();
      expect(now.instanceSeconds).toBeGreaterThan(0.05);
      return now;
    });
    expect(live).toMatchObject({ claims: 1, live: 1 });
    await service.request('DELETE', `/v1/claims/${id}`);
    const ended = await usage();
    expect(ended).toMatchObject({ claims: 1, live: 0 });
    expect(ended.instanceSeconds).toBeGreaterThanOrEqual(live.instanceSeconds);
    expect(Date.parse(ended.since ?? '')).toBeLessThanOrEqual(Date.now());
    await service.stopWorker();
    await service.startWorker();
    expect(await usage()).toEqual(ended);
  });
});

describe('tenants', () => {
  const names = async (query = '') => {
    const page = z.object({ items: z.array(z.object({ tenant: z.string() })), nextCursor: z.string().optional() });
    const { items, nextCursor } = page.parse((await service.request('GET', `/v1/tenants${query}`)).body);
    return { all: items.map((each) => each.tenant), nextCursor };
  };

  it('are listed with who claimed last first, page by page', async () => {
    await put({ held: 1 });
    await claim();
    const { all, nextCursor } = await names('?limit=1');
    expect(all).toEqual([tenant]);
    expect((await names(`?cursor=${nextCursor}`)).all).toEqual((await names()).all.slice(1));
  });

  it('are limited by admins alone, and read by back ends', async () => {
    const as = 'backend';
    expect((await service.request('PUT', `/v1/tenants/${tenant}`, { held: 1 }, { as })).status).toBe(403);
    expect((await service.request('GET', `/v1/tenants/${tenant}`, undefined, { as })).status).toBe(200);
    expect((await service.request('GET', '/v1/tenants', undefined, { as })).status).toBe(200);
    expect((await service.request('GET', `/v1/tenants/${tenant}/usage`, undefined, { as })).status).toBe(200);
  });

  it('read nothing of another', async () => {
    for (const path of [`/v1/tenants/${tenant}`, `/v1/tenants/${tenant}/usage`, '/v1/tenants']) {
      expect(await service.request('GET', path, undefined, { as: 'tenant' })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });
});
