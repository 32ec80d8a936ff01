import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fillPool, keyOf, parseClaim } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';
import { ask, openSocket } from './ask.ts';

const service = useService();
let port: number;
beforeEach(async () => {
  port = Number(new URL(await service.listen()).port);
  await fillPool(service, { ready: 1, max: 3 }, { defaultMs: 600_000 });
});

const MintedToken = z.object({ token: z.string(), url: z.url(), expiresAt: z.iso.datetime() });

async function claim(tenant = 'acme', body: object = {}) {
  return parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant, ...body }, { as: 'backend' }));
}

async function mint(id: string, body: object = {}) {
  return MintedToken.parse((await service.request('POST', `/v1/claims/${id}/tokens`, body, { as: 'backend' })).body);
}

describe('a claim', () => {
  it('names an endpoint that answers through the gateway, to its tokens alone', async () => {
    const held = await claim();
    const url = held.instance.endpoints[0]?.url ?? '';
    expect(url).toBe(`http://127.0.0.1:${port}/i/${held.id}/8080`);
    expect((await fetch(url)).status).toBe(401);
    const { token } = await mint(held.id, { singleUse: false });
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    expect(await answer.json()).toMatchObject({ instance: held.instance.id, binding: { tenant: 'acme' } });
    expect((await fetch(url, { headers: { authorization: `Bearer ${keyOf('backend')}` } })).status).toBe(401);
    const both = { authorization: `Bearer ${keyOf('admin')}`, 'thaw-token': token };
    expect((await fetch(url, { headers: both })).status).toBe(403);
  });

  it('that was released is cut off within about a second, with a page that says why', async () => {
    const held = await claim();
    const { token } = await mint(held.id, { singleUse: false });
    const path = `/i/${held.id}/web/`;
    const headers = { 'Thaw-Token': token };
    expect((await ask({ port, path, headers })).status).toBe(200);
    await service.request('DELETE', `/v1/claims/${held.id}`, undefined, { as: 'backend' });
    const releasedAt = performance.now();
    await expect.poll(async () => (await ask({ port, path, headers })).status, { interval: 50 }).toBe(410);
    expect(performance.now() - releasedAt).toBeLessThan(1500);
    const problem = await ask({ port, path, headers });
    expect(JSON.parse(problem.text)).toMatchObject({ status: 410, code: 'claim_gone', endReason: 'released' });
    const page = await ask({ port, path, headers: { Accept: 'text/html' } });
    expect(page).toMatchObject({ status: 410, headers: { 'content-type': 'text/html; charset=utf-8' } });
    expect(page.text).toContain('it was given back');
    expect((await openSocket({ port, path, headers })).status).toBe(410);
    expect((await service.request('POST', `/v1/claims/${held.id}/tokens`, {})).status).toBe(410);
  });

  it('whose lease is over is refused, also where nobody has swept it up yet', async () => {
    const held = await claim('acme', { leaseMs: 3000 });
    await service.stopWorker();
    const { token } = await mint(held.id, { singleUse: false });
    const path = `/i/${held.id}/web/`;
    expect((await ask({ port, path, headers: { 'Thaw-Token': token } })).status).toBe(200);
    await expect.poll(async () => (await ask({ port, path, headers: { 'Thaw-Token': token } })).status, { timeout: 4000 }).toBe(410);
    await service.startWorker();
  });
});

describe('a token', () => {
  it('is a link by default, which opens once', async () => {
    const { url, expiresAt } = await mint((await claim()).id);
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThan(301_000);
    const first = await fetch(url, { redirect: 'manual' });
    expect(first.status).toBe(303);
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    const location = new URL(first.headers.get('location') ?? '', url);
    expect((await fetch(location, { headers: { cookie } })).status).toBe(200);
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(401);
  });

  it('never lives longer than the lease, and leads to a port of the template', async () => {
    const { id } = await claim();
    const refuse = async (body: object) => {
      const answer = await service.request('POST', `/v1/claims/${id}/tokens`, body);
      return { status: answer.status, ...z.object({ code: z.string() }).parse(answer.body) };
    };
    expect(await refuse({ ttlMs: 3_600_000 })).toEqual({ status: 422, code: 'validation_failed' });
    expect(await refuse({ ttlMs: 0 })).toEqual({ status: 422, code: 'validation_failed' });
    expect(await refuse({ forever: true })).toEqual({ status: 422, code: 'validation_failed' });
    expect(await refuse({ port: 'admin' })).toEqual({ status: 404, code: 'port_not_found' });
    expect((await mint(id, { port: '8080', ttlMs: 60_000 })).url).toContain(`/i/${id}/8080/?thaw_token=`);
  });

  it("is minted by a tenant's key for its own claims alone", async () => {
    const own = await claim('acme');
    expect((await service.request('POST', `/v1/claims/${own.id}/tokens`, {}, { as: 'tenant' })).status).toBe(201);
    await expect.poll(async () => (await service.request('POST', '/v1/pools/web/claims', { tenant: 'other' })).status).toBe(201);
    const { items } = z
      .object({ items: z.array(z.object({ id: z.string() })) })
      .parse((await service.request('GET', '/v1/claims?tenant=other')).body);
    const answer = await service.request('POST', `/v1/claims/${items[0]?.id}/tokens`, {}, { as: 'tenant' });
    expect({ status: answer.status, ...z.object({ code: z.string() }).parse(answer.body) }).toEqual({
      status: 404,
      code: 'claim_not_found',
    });
  });

  it('is nowhere in Redis as it is', async () => {
    const { token } = await mint((await claim()).id, { singleUse: false });
    const keys = await service.redis.keys('*gateway-token*');
    expect(keys).toHaveLength(1);
    expect(`${keys} ${await service.redis.get(keys[0] ?? '')}`).not.toContain(token);
  });
});
