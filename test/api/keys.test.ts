import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Answer, startService, type TestService, waitUntil } from '#test/support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const NewKey = z.object({ id: z.string(), secret: z.string() });

async function make(body: object, headers?: Record<string, string>): Promise<Answer> {
  return service.request('POST', '/v1/keys', body, headers && { headers });
}

/** The status of a request under a secret. */
async function use(secret: string, path = '/v1/pools'): Promise<number> {
  return (await service.request('GET', path, undefined, { headers: { authorization: `Bearer ${secret}` } })).status;
}

describe('a key', () => {
  it('is kept as a hash only, works at once, and no longer once it is revoked', async () => {
    const made = await make({ name: 'shop', role: 'backend' });
    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const { id, secret } = NewKey.parse(made.body);
    const stored = JSON.stringify([await service.redis.hgetall('{thaw}:keys'), await service.redis.hgetall('{thaw}:key-secrets')]);
    expect(stored).not.toContain(secret);
    expect(stored).toContain(createHash('sha256').update(secret).digest('hex'));
    expect(await use(secret)).toBe(200);
    expect((await service.request('GET', '/v1/keys')).text).not.toContain(secret);
    expect((await service.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    await waitUntil(async () => expect(await use(secret)).toBe(401));
    expect((await service.request('DELETE', `/v1/keys/${id}`)).status).toBe(404);
  });

  it('tells its scope, limit and expiry to whoever lists it', async () => {
    const asked = {
      name: 'limited',
      role: 'tenant',
      scope: { tenant: 'acme', pools: ['web'] },
      rateLimit: { perSecond: 5, burst: 10 },
      expiresAt: '2999-01-01T00:00:00.000Z',
    };
    const { id } = NewKey.parse((await make(asked)).body);
    const { items } = z
      .object({ items: z.array(z.looseObject({ id: z.string() })) })
      .parse((await service.request('GET', '/v1/keys')).body);
    expect(items.find((key) => key.id === id)).toEqual({ id, ...asked, createdAt: expect.any(String) });
  });

  it('is refused once it has expired', async () => {
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const { secret } = NewKey.parse((await make({ name: 'brief', role: 'backend', expiresAt })).body);
    expect(await use(secret)).toBe(200);
    await waitUntil(async () => expect(await use(secret)).toBe(401));
  });

  it.each([
    ['a tenant key without a tenant', { role: 'tenant' }, 'scope.tenant'],
    ['an admin key with a scope', { role: 'admin', scope: { pools: ['web'] } }, 'scope'],
    ['a scope of no pools', { role: 'backend', scope: { pools: [] } }, 'scope.pools'],
    ['an unknown kind of scope', { role: 'backend', scope: { nodes: ['n1'] } }, 'scope.nodes'],
    ['an expiry in the past', { role: 'backend', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ['a limit of nothing', { role: 'backend', rateLimit: { perSecond: 0, burst: 1 } }, 'rateLimit.perSecond'],
    ['another role', { role: 'owner' }, 'role'],
    ['a name of two lines', { name: 'x\r\ny', role: 'backend' }, 'name'],
  ])('%s is refused', async (_what, body, path) => {
    expect(await make({ name: 'x', ...body })).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path }] } });
  });

  it('is not made under an idempotency key that is none', async () => {
    for (const key of ['', 'x'.repeat(201)]) {
      const answer = await make({ name: 'x', role: 'backend' }, { 'idempotency-key': key });
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'header', path: 'idempotency-key' }] } });
    }
  });

  it('is made once per idempotency key, and a replay does not tell the secret again', async () => {
    const headers = { 'idempotency-key': 'order-1' };
    const first = NewKey.parse((await make({ name: 'once', role: 'backend' }, headers)).body);
    const again = await make({ role: 'backend', name: 'once' }, headers);
    expect(again).toMatchObject({ status: 201, body: { id: first.id } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.text).not.toContain('secret');
    const other = await make({ name: 'twice', role: 'backend' }, headers);
    expect(other).toMatchObject({ status: 409, body: { code: 'idempotency_key_reused' } });
    await service.request('DELETE', `/v1/keys/${first.id}`);
    expect(await make({ name: 'once', role: 'backend' }, headers)).toMatchObject({ status: 404, body: { code: 'key_not_found' } });
  });
});

describe('rotating a key', () => {
  const rotate = async (id: string, body: object) => NewKey.parse((await service.request('POST', `/v1/keys/${id}/rotate`, body)).body);

  it('keeps its id; the old secret ends', async () => {
    const { id, secret } = NewKey.parse((await make({ name: 'rotated', role: 'backend' })).body);
    expect(await use(secret)).toBe(200);
    const next = await rotate(id, {});
    expect([next.id, await use(next.secret)]).toEqual([id, 200]);
    await waitUntil(async () => expect(await use(secret)).toBe(401));
  });

  it('lets every old secret work as long as it was promised, also when it is rotated again', async () => {
    const { id, secret } = NewKey.parse((await make({ name: 'graceful', role: 'backend' })).body);
    const second = await rotate(id, { graceMs: 3_600_000 });
    const third = await rotate(id, { graceMs: 3_600_000 });
    expect(await Promise.all([secret, second.secret, third.secret].map((one) => use(one)))).toEqual([200, 200, 200]);
    const last = await rotate(id, { graceMs: 0 });
    await waitUntil(async () => {
      expect(await Promise.all([secret, second.secret, third.secret, last.secret].map((one) => use(one)))).toEqual([401, 401, 401, 200]);
    });
    expect(Object.values(await service.redis.hgetall('{thaw}:key-secrets')).filter((owner) => owner === id)).toHaveLength(1);
  });

  it('loses no secret when two do it at the same moment', async () => {
    const { id } = NewKey.parse((await make({ name: 'raced', role: 'backend' })).body);
    const made = await Promise.all(Array.from({ length: 8 }, () => rotate(id, { graceMs: 60_000 })));
    expect(await Promise.all(made.map(({ secret }) => use(secret)))).toEqual(made.map(() => 200));
  });

  it('needs a key that is there', async () => {
    expect(await service.request('POST', '/v1/keys/key-0000000000000000/rotate', {})).toMatchObject({ status: 404 });
  });
});

describe('the last admin key', () => {
  it('stays, whatever admin keys there are that expire, and however many are revoked at once', async () => {
    const list = z.object({ items: z.array(z.object({ id: z.string(), role: z.string() })) });
    await make({ name: 'for a day', role: 'admin', expiresAt: new Date(Date.now() + 86_400_000).toISOString() });
    const admins = list.parse((await service.request('GET', '/v1/keys')).body).items.filter((key) => key.role === 'admin');
    const first = admins.at(-1)?.id ?? '';
    expect(await service.request('DELETE', `/v1/keys/${first}`)).toMatchObject({ status: 409, body: { code: 'last_admin_key' } });
    const { id: second } = NewKey.parse((await make({ name: 'second', role: 'admin' })).body);
    const answers = await Promise.all([first, second].map((id) => service.request('DELETE', `/v1/keys/${id}`)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([204, 409]);
  });
});
