import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AuditEntry } from '#src/api/audit-entry.ts';
import { auditKey, openAuditLog } from '#src/api/audit-log.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { startProcess } from '#test/support/processes.ts';
import { keyOf, startService, type TestService, waitUntil } from '#test/support/service.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());
beforeEach(() => service.redis.del(auditKey));

const Page = z.object({ items: z.array(AuditEntry), nextCursor: z.string().optional() });

async function read(query = ''): Promise<z.infer<typeof Page>> {
  return Page.parse((await service.request('GET', `/v1/audit${query}`)).body);
}

/** Entries are written a moment after the answer. */
function untilThere(count: number): Promise<z.infer<typeof Page>> {
  return waitUntil(async () => {
    const page = await read();
    expect(page.items).toHaveLength(count);
    return page;
  });
}

describe('the audit log', () => {
  it('says who did what to what, with which outcome, and keeps no body', async () => {
    const made = await service.request('POST', '/v1/keys', { name: 'canary-in-the-body', role: 'backend' });
    const { items } = await untilThere(1);
    expect(items[0]).toEqual({
      at: expect.any(String),
      requestId: made.headers.get('x-request-id'),
      key: expect.stringMatching(/^key-[0-9a-f]{16}$/),
      name: 'admin',
      role: 'admin',
      action: 'createKey',
      target: 'POST /v1/keys',
      status: 201,
    });
    expect(JSON.stringify(await service.redis.xrange(auditKey, '-', '+'))).not.toContain('canary');
  });

  it('has what was refused too, with the code: strangers, roles, bodies, what is not there', async () => {
    await service.request('PUT', '/v1/pools/web?token=canary', {}, { headers: { authorization: 'Bearer nobody' } });
    await service.request('PUT', '/v1/pools/web', {}, { as: 'backend' });
    await service.request('PUT', '/v1/pools/web', {});
    await service.request('DELETE', '/v1/pools/web');
    await service.request('POST', '/v1/nothing', {});
    const { items } = await untilThere(5);
    expect(items.toReversed().map(({ action, role, status, code }) => [action, role, status, code])).toEqual([
      ['putPool', undefined, 401, 'unauthenticated'],
      ['putPool', 'backend', 403, 'forbidden'],
      ['putPool', 'admin', 422, 'validation_failed'],
      ['deletePool', 'admin', 404, 'pool_not_found'],
      ['none', 'admin', 404, 'not_found'],
    ]);
    expect(JSON.stringify(items)).not.toContain('canary');
  });

  it('tells a token from the key that minted it', async () => {
    const minted = await service.request('POST', '/v1/tenants/acme/tokens', {}, { as: 'backend' });
    const { token } = z.object({ token: z.string() }).parse(minted.body);
    await service.request('POST', '/v1/keys', {}, { headers: { authorization: `Bearer ${token}` } });
    const { items } = await untilThere(2);
    expect(items[0]).toMatchObject({
      role: 'tenant',
      name: 'backend',
      key: expect.stringMatching(/^key-[0-9a-f]{16}\/acme$/),
      status: 403,
    });
  });

  it('has nothing of what only reads', async () => {
    await service.request('GET', '/v1/pools');
    await service.request('HEAD', '/v1/pools');
    await service.request('DELETE', '/v1/pools/last');
    expect((await untilThere(1)).items[0]?.target).toBe('DELETE /v1/pools/last');
  });

  it('can not be filled by strangers: it counts those that it leaves out', async () => {
    const asStranger = { headers: { authorization: 'Bearer nobody' } };
    for (let i = 0; i < 250; i++) await service.request('DELETE', '/v1/pools/web', undefined, asStranger);
    await service.request('DELETE', '/v1/pools/web');
    const items = await waitUntil(async () => {
      const page = await read('?limit=200');
      expect(page.items[0]?.role).toBe('admin');
      return page.items;
    });
    expect(items.length).toBeLessThan(200);
    const unrecorded = items.reduce((sum, entry) => sum + (entry.unrecorded ?? 0), 0);
    expect(items.length + unrecorded).toBe(251);
  });

  it('is read in pages, by who, what and since when', async () => {
    for (const role of ['admin', 'backend'] as const) {
      for (let i = 0; i < 3; i++) await service.request('DELETE', `/v1/pools/p${i}`, undefined, { as: role });
    }
    await service.request('POST', '/v1/keys', {});
    const { items } = await untilThere(7);
    const pages = [await read('?limit=3')];
    for (let last = pages.at(-1); last?.nextCursor !== undefined; last = pages.at(-1))
      pages.push(await read(`?limit=3&cursor=${last.nextCursor}`));
    expect(pages.flatMap((page) => page.items)).toEqual(items);
    expect((await read('?actor=backend')).items).toEqual(items.filter((entry) => entry.name === 'backend'));
    expect((await read(`?actor=${items[0]?.key}`)).items).toEqual(items.filter((entry) => entry.name === 'admin'));
    expect((await read('?action=createKey')).items).toEqual([items[0]]);
    expect((await read(`?since=${new Date(Date.now() + 60_000).toISOString()}`)).items).toEqual([]);
    expect((await read('?since=2020-01-01T00:00:00Z')).items).toEqual(items);
    for (const query of ['since=yesterday', `cursor=${Buffer.from('x').toString('base64url')}`, 'role=admin', 'actor=']) {
      expect((await service.request('GET', `/v1/audit?${query}`)).status, query).toBe(422);
    }
  });

  it('is the admin’s', async () => {
    for (const as of ['backend', 'tenant'] as const)
      expect((await service.request('GET', '/v1/audit', undefined, { as })).status).toBe(403);
  });

  it('is exported as JSON lines, all of it, oldest first', async () => {
    const log = openAuditLog({ redis: service.redis, log: { error: () => {} } });
    const entries = Array.from({ length: 1234 }, (_, i) => ({
      ...{ at: new Date(i).toISOString(), requestId: `${i}`, key: 'k', action: 'a', target: i % 2 ? 'odd' : 'even', status: 200 },
    }));
    for (const entry of entries) log.append(entry);
    await log.close();
    const answer = await service.request('GET', '/v1/audit?action=a', undefined, { headers: { accept: 'application/x-ndjson' } });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = answer.text.trimEnd().split('\n');
    expect(lines.map((line) => AuditEntry.parse(JSON.parse(line)))).toEqual(entries);
  });
});

describe('writing the audit log', () => {
  const entry = { at: new Date(0).toISOString(), requestId: 'r', action: 'a', target: 't', status: 200 };

  it('goes on once Redis is back, and tells what it had to leave out', async () => {
    const redis = connectRedis(service.config.redisUrl ?? '');
    const send = redis.sendCommand.bind(redis);
    let isAway = true;
    redis.sendCommand = (command, stream) => (isAway ? Promise.reject(new Error('Connection is closed.')) : send(command, stream));
    const errors: string[] = [];
    const log = openAuditLog({ redis, log: { error: (_fields: object, message?: string) => errors.push(message ?? '') } });
    for (let i = 0; i < 10_001; i++) log.append(entry);
    await waitUntil(async () => expect(errors).toEqual(['the audit log can not be written; it is tried again every 1000 ms']));
    isAway = false;
    await log.close();
    redis.disconnect();
    expect(await service.redis.xlen(auditKey)).toBe(9501);
    expect((await read('?limit=1')).items[0]).toMatchObject({ unrecorded: 500 });
  });

  it('a process that is told to end writes what is left, with the address of the client', async () => {
    await using directory = await makeTempDir();
    const api = await startProcess('api', {
      ...{ THAW_DATA_DIR: directory.path, REDIS_URL: service.config.redisUrl ?? '', THAW_PORT: '0', LOG_LEVEL: 'warn' },
    });
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request(`${api.url}/v1/pools/nothing`, { method: 'DELETE', headers: { authorization: `Bearer ${keyOf('admin')}` } })
        .on('response', (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    await api.stop();
    expect(status).toBe(404);
    expect((await read()).items).toEqual([expect.objectContaining({ target: 'DELETE /v1/pools/nothing', address: '127.0.0.1' })]);
  });
});
