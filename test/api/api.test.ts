import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { keyOf, startService, type TestService, waitUntil } from '#test/support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const json = { 'content-type': 'application/json' };

describe('API keys', () => {
  it('without one, 401 says how to send it', async () => {
    const answer = await service.request('GET', '/v1/pools', undefined, { headers: { authorization: '' } });
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="thaw"');
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('an unknown one is refused', async () => {
    expect((await service.request('GET', '/v1/pools', undefined, { headers: { authorization: 'Bearer nobody' } })).status).toBe(401);
  });

  it('are kept as hashes only, work at once, and no longer once they are deleted', async () => {
    const made = await service.request('POST', '/v1/keys', { name: 'shop', role: 'backend' });
    expect(made.status).toBe(201);
    const { id, secret } = z.object({ id: z.string(), secret: z.string() }).parse(made.body);
    const stored = JSON.stringify(await service.redis.hgetall('{thaw}:keys'));
    expect(stored).not.toContain(secret);
    expect(stored).toContain(createHash('sha256').update(secret).digest('hex'));
    const use = () => service.request('GET', '/v1/pools', undefined, { headers: { authorization: `Bearer ${secret}` } });
    expect((await use()).status).toBe(200);
    expect((await service.request('GET', '/v1/keys')).text).not.toContain(secret);
    expect((await service.request('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    await waitUntil(async () => expect((await use()).status).toBe(401));
  });

  it('are not made for tenants yet', async () => {
    const answer = await service.request('POST', '/v1/keys', { name: 'acme', role: 'tenant' });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path: 'role', message: 'not supported yet' }] } });
  });

  it('the last admin key stays', async () => {
    const list = z.object({ items: z.array(z.object({ id: z.string(), role: z.string() })) });
    const admin = list.parse((await service.request('GET', '/v1/keys')).body).items.find((key) => key.role === 'admin');
    expect(await service.request('DELETE', `/v1/keys/${admin?.id}`)).toMatchObject({ status: 409, body: { code: 'last_admin_key' } });
    expect(await service.request('DELETE', '/v1/keys/key-nobody')).toMatchObject({ status: 404, body: { code: 'key_not_found' } });
  });
});

describe('roles', () => {
  const Operations = z.record(z.string(), z.record(z.string(), z.object({ 'x-thaw-roles': z.array(z.string()).optional() })));

  it('each route of /v1 lets in exactly the roles that openapi.yaml names', async () => {
    const { paths } = z.object({ paths: Operations }).parse(parse((await service.request('GET', '/openapi.yaml')).text));
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ path, method: method.toUpperCase(), roles: operation['x-thaw-roles'] })),
    );
    expect(routes.length).toBeGreaterThan(25);
    for (const { path, method, roles } of routes.filter((route) => route.path.startsWith('/v1/'))) {
      expect(roles, `${method} ${path}`).toBeDefined();
      for (const role of ['admin', 'backend', 'tenant'] as const) {
        if (role === 'admin') continue; // may do everything, and would
        const answer = await service.request(method, path.replaceAll(/\{\w+\}/g, 'nothing'), method === 'GET' ? undefined : {}, {
          as: role,
        });
        expect(answer.status === 403, `${role} ${method} ${path}: ${answer.status}`).toBe(!roles?.includes(role));
      }
    }
  });

  it('templates, goldens, nodes and keys are the admin’s', async () => {
    for (const path of ['/v1/templates', '/v1/templates/x/goldens', '/v1/nodes', '/v1/keys']) {
      expect(await service.request('GET', path, undefined, { as: 'backend' })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });
});

describe('bad requests', () => {
  it.each([
    ['not JSON', { headers: json }, '{"template":', 400, 'malformed_json'],
    ['a wrong content type', { headers: { 'content-type': 'text/plain' } }, '{}', 415, 'unsupported_media_type'],
    ['no body', {}, undefined, 422, 'validation_failed'],
    ['more than 1 MB', { headers: json }, `"${'x'.repeat(1024 * 1024)}"`, 413, 'body_too_large'],
  ])('%s is refused', async (_what, options, body, status, code) => {
    const answer = await service.request('PUT', '/v1/pools/web', body, options);
    expect(answer).toMatchObject({ status, body: { code, class: 'request', type: `urn:thaw:problem:${code}` } });
  });

  it('a stranger’s body is not read', async () => {
    const answer = await service.request('PUT', '/v1/pools/web', 'x'.repeat(2_000_000), { headers: { authorization: 'Bearer nobody' } });
    expect(answer.status).toBe(401);
  });

  it('an unknown route is 404, a known one by another method 405 with Allow', async () => {
    expect(await service.request('GET', '/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const answer = await service.request('POST', '/v1/pools/web');
    expect(answer).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
    expect(answer.headers.get('allow')).toBe('GET, PUT, DELETE');
  });

  it.each(['Upper', 'a_b', '-a', 'a'.repeat(64)])('%s is no name', async (name) => {
    expect(await service.request('GET', `/v1/pools/${name}`)).toMatchObject({
      status: 422,
      body: { errors: [{ in: 'path', path: 'pool' }] },
    });
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'cursor=%C3%BC'])('a list refuses %s', async (query) => {
    expect((await service.request('GET', `/v1/claims?${query}`)).status).toBe(422);
  });

  it('every answer has the id by which the log names its request', async () => {
    const answer = await service.request('GET', '/v1/nothing');
    expect(answer.body).toMatchObject({ instance: answer.headers.get('x-request-id') });
  });
});

describe('what monitors ask', () => {
  it('the process answers, is ready with a durable Redis and a node, and shows metrics, all without a key', async () => {
    const anonymous = { headers: { authorization: '' } };
    expect(await service.request('GET', '/healthz', undefined, anonymous)).toMatchObject({ status: 200, body: { ok: true } });
    expect(await service.request('GET', '/readyz', undefined, anonymous)).toMatchObject({
      status: 200,
      body: { ready: true, problems: [], warnings: [] },
    });
    const metrics = await service.request('GET', '/metrics', undefined, anonymous);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(metrics.text).toContain('thaw_claim_seconds');
  });

  it('a Redis that could lose claims is warned of', async () => {
    await service.redis.config('SET', 'appendfsync', 'everysec');
    try {
      expect(await service.request('GET', '/readyz')).toMatchObject({
        body: { ready: true, warnings: [expect.stringContaining('appendfsync everysec, not always')] },
      });
    } finally {
      await service.redis.config('SET', 'appendfsync', 'always');
    }
  });

  it('without a ready node it is not ready, and says which node is not', async () => {
    await service.request('POST', '/v1/nodes/n1/cordon');
    expect(await service.request('GET', '/readyz')).toMatchObject({
      status: 503,
      body: { problems: ['no node is ready: n1 is cordoned'] },
    });
    await service.request('POST', '/v1/nodes/n1/uncordon');
  });
});

describe('the documentation', () => {
  it('is a page that loads nothing from another host', async () => {
    const answer = await service.request('GET', '/docs');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    const sources = [...answer.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
    expect(sources).toHaveLength(3);
    for (const source of sources) expect((await service.request('GET', source)).status, source).toBe(200);
  });

  it('shows no key', async () => {
    for (const path of ['/openapi.yaml', '/docs', '/metrics'])
      expect((await service.request('GET', path)).text).not.toContain(keyOf('admin'));
  });
});
