import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openTenantTokens } from '#src/api/tenant-tokens.ts';
import { parseConfig } from '#src/platform/config.ts';
import { startService, type TestService, waitUntil } from '#test/support/service.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const Minted = z.object({ token: z.string(), expiresAt: z.string() });
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function mint(tenant: string, body: object = {}, options: Parameters<TestService['request']>[3] = { as: 'backend' }) {
  return service.request('POST', `/v1/tenants/${tenant}/tokens`, body, options);
}

async function makeKey(body: object) {
  return z.object({ id: z.string(), secret: z.string() }).parse((await service.request('POST', '/v1/keys', body)).body);
}

const listClaims = (token: string) => service.request('GET', '/v1/claims', undefined, bearer(token));

describe('a tenant token', () => {
  it('is good for what a tenant key is good for, and nothing else', async () => {
    const answer = await mint('acme', { ttlMs: 60_000 });
    expect(answer).toMatchObject({ status: 201, body: { tenant: 'acme' } });
    const { token, expiresAt } = Minted.parse(answer.body);
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(58_000);
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThan(61_500);
    expect((await listClaims(token)).status).toBe(200);
    expect((await service.request('GET', '/v1/nodes', undefined, bearer(token))).status).toBe(403);
    expect((await mint('acme', {}, bearer(token))).status).toBe(403);
  });

  it('leaves no trace in Redis', async () => {
    const before = await service.redis.keys('*token*');
    await mint('acme');
    expect(await service.redis.keys('*token*')).toEqual(before);
  });

  it('ends when its time is over', async () => {
    const { token } = Minted.parse((await mint('acme', { ttlMs: 1000 })).body);
    expect((await listClaims(token)).status).toBe(200);
    await waitUntil(async () => expect((await listClaims(token)).status).toBe(401));
  });

  it('ends with the key that minted it', async () => {
    const { id, secret } = await makeKey({ name: 'shop', role: 'backend' });
    const { token } = Minted.parse((await mint('acme', {}, bearer(secret))).body);
    expect((await listClaims(token)).status).toBe(200);
    await service.request('DELETE', `/v1/keys/${id}`);
    await waitUntil(async () => expect((await listClaims(token)).status).toBe(401));
  });

  it('outlives the rotation of that key', async () => {
    const { id, secret } = await makeKey({ name: 'shop', role: 'backend' });
    const { token } = Minted.parse((await mint('acme', {}, bearer(secret))).body);
    await service.request('POST', `/v1/keys/${id}/rotate`, {});
    await waitUntil(async () => expect((await service.request('GET', '/v1/pools', undefined, bearer(secret))).status).toBe(401));
    expect((await listClaims(token)).status).toBe(200);
  });

  it('is refused when anything about it was changed', async () => {
    const { token } = Minted.parse((await mint('acme')).body);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const other = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), sub: 'globex' }));
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'thaw-tenant+jwt' })).toString('base64url');
    const forged = [
      `${header}.${other.toString('base64url')}.${signature}`,
      `${none}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -2)}xx`,
      `${header}.${payload}.`,
      'eyJ.eyJ.x',
    ];
    for (const text of forged) expect((await listClaims(text)).status, text).toBe(401);
  });

  it('is not longer than an hour, nor for a pool or a tenant that the key may not use', async () => {
    expect(await mint('acme', { ttlMs: 3_600_001 })).toMatchObject({ status: 422, body: { errors: [{ path: 'ttlMs' }] } });
    expect((await mint('no tenant!')).status).toBe(422);
    const { secret } = await makeKey({ name: 'web only', role: 'backend', scope: { pools: ['web'], tenant: 'acme' } });
    expect(await mint('acme', { pools: ['web', 'db'] }, bearer(secret))).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await mint('globex', {}, bearer(secret))).status).toBe(403);
    expect(await mint('acme', {}, bearer(secret))).toMatchObject({ status: 201, body: { pools: ['web'] } });
  });
});

describe('the signing key', () => {
  it('is shared by the processes of a data directory, and by all who are given the same file', async () => {
    await using one = await makeTempDir();
    await using two = await makeTempDir();
    const open = (settings: Record<string, string>) => openTenantTokens(parseConfig(settings));
    const token = { tenant: 'acme', mintedBy: 'key-0123456789abcdef', expiresAt: Math.ceil(Date.now() / 1000) * 1000 + 60_000 };
    const text = await (await open({ THAW_DATA_DIR: one.path })).sign(token);
    expect(await (await open({ THAW_DATA_DIR: one.path })).verify(text)).toMatchObject(token);
    expect(await (await open({ THAW_DATA_DIR: two.path })).verify(text)).toBeUndefined();
    const file = `${one.path}/token.key`;
    expect(await (await open({ THAW_DATA_DIR: two.path, THAW_TOKEN_KEY_FILE: file })).verify(text)).toMatchObject(token);
  });

  it('is never made where a shared one was asked for', async () => {
    await using directory = await makeTempDir();
    const file = `${directory.path}/none.key`;
    const opening = openTenantTokens(parseConfig({ THAW_DATA_DIR: directory.path, THAW_TOKEN_KEY_FILE: file }));
    await expect(opening).rejects.toThrow(`THAW_TOKEN_KEY_FILE ${file} can not be read`);
  });
});
