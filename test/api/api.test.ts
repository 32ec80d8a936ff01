import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { keyOf, startService, type TestService } from '#test/support/service.ts';

let service: TestService;
let url: string;
beforeAll(async () => {
  service = await startService();
  url = await service.listen();
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

  it.each([
    ['what is not HTTP', 'hello\r\n\r\n', 400, 'malformed_request'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: thaw\r\nX-Long: ${'x'.repeat(70_000)}`, 431, 'headers_too_large'],
  ])('%s is refused as a problem, and the connection closed', async (_what, sent, status, code) => {
    const answer = await sendRaw(url, sent);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ status, code, fix: expect.any(String) });
  });

  it('a label’s name that can not be is told what one may be', async () => {
    const answer = await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', labels: { 'a b': 'x' } });
    expect(answer).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'labels.a b', message: expect.stringContaining('letters, digits') }] },
    });
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

  it.each(['Upper', 'a_b', '-a', 'a'.repeat(64)])('%s is no name: nothing gets it', async (name) => {
    const answer = await service.request('PUT', `/v1/pools/${name}`, { template: 'web', size: { ready: 1, max: 1 } });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'path', path: 'pool' }] } });
  });

  it.each([
    ['GET', '/v1/pools/A_b', 'pool_not_found', 'there is no pool A_b'],
    ['POST', '/v1/pools/A_b/claims', 'pool_not_found', 'there is no pool A_b'],
    ['GET', '/v1/templates/A_b', 'template_not_found', 'there is no template A_b'],
    ['PUT', '/v1/templates/A_b/aliases/stable', 'template_not_found', 'there is no template A_b'],
    ['GET', '/v1/templates/web/goldens/x', 'golden_not_found', 'there is no golden x'],
    ['DELETE', '/v1/templates/web/goldens/007', 'golden_not_found', 'there is no golden 007'],
    ['GET', '/v1/claims/nope', 'claim_not_found', 'there is no claim nope'],
    ['GET', '/v1/instances/nope', 'instance_not_found', 'there is no instance nope'],
    ['POST', '/v1/operations/nope/cancel', 'operation_not_found', 'there is no operation nope'],
    ['GET', '/v1/nodes/A_b', 'node_not_found', 'there is no node A_b'],
    ['DELETE', '/v1/keys/nope', 'key_not_found', 'there is no key nope'],
    ['GET', `/v1/instances/${'n'.repeat(5000)}`, 'instance_not_found', `there is no instance ${'n'.repeat(64)}…`],
  ])('%s %s names nothing: 404 says what is not there', async (method, path, code, detail) => {
    const answer = await service.request(method, path, method === 'GET' ? undefined : {});
    expect(answer).toMatchObject({ status: 404, body: { code, detail } });
  });

  it.each([
    ...['limit=0', 'limit=201', 'limit=x', 'limit=', 'limit=0x10', 'limit=1e2', 'limit=%205', 'limit=007', 'limit=1&limit=2'],
    ...['cursor=%C3%BC', 'tennant=acme', 'tenant=acme&state=active', '__proto__=x'],
  ])('a list refuses %s', async (query) => {
    expect(await service.request('GET', `/v1/claims?${query}`)).toMatchObject({
      status: 422,
      body: { code: 'validation_failed', errors: [{ in: 'query' }] },
    });
  });

  it('no operation takes a query field that it does not read', async () => {
    for (const path of ['/v1/pools/web', '/v1/operations', '/v1/nodes', '/v1/keys', '/v1/audit', '/v1/claims/clm-0000000000000000']) {
      expect(await service.request('GET', `${path}?pretty=true`), path).toMatchObject({
        status: 422,
        body: { detail: 'pretty: unknown field', errors: [{ in: 'query', path: 'pretty', message: 'unknown field' }] },
      });
    }
  });

  it('a body with a thousand wrong fields gets a short answer', async () => {
    const body = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}${'x'.repeat(500)}`, i]));
    const answer = await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 1, max: 1 }, ...body });
    const problem = z.object({ errors: z.array(z.object({ path: z.string() })), moreErrors: z.number() }).parse(answer.body);
    expect(answer.status).toBe(422);
    expect([problem.errors.length, problem.moreErrors]).toEqual([20, 980]);
    expect(answer.text.length).toBeLessThan(6000);
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

/** All that comes back on a connection of its own until it is closed. */
async function sendRaw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}
