import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createRateLimiter } from '#src/api/rate-limit.ts';
import { startService, type TestService } from '#test/support/service.ts';

describe('the token bucket', () => {
  it('lets a burst through, then so many a second, and tells when the next one may come', () => {
    let now = 0;
    const take = createRateLimiter(() => now);
    const limit = { perSecond: 10, burst: 3 };
    expect([1, 2, 3].map(() => take('a', limit).remaining)).toEqual([2, 1, 0]);
    expect(take('a', limit)).toMatchObject({ allowed: false, remaining: 0, resetMs: 300, retryAfterMs: 100 });
    now = 100;
    expect(take('a', limit)).toMatchObject({ allowed: true, retryAfterMs: 0 });
    expect(take('a', limit).allowed).toBe(false);
    now = 1_000_000;
    expect(take('a', limit)).toMatchObject({ allowed: true, remaining: 2 });
  });

  it('counts every key for itself, also with very many of them', () => {
    let now = 0;
    const take = createRateLimiter(() => now);
    const limit = { perSecond: 1, burst: 1 };
    for (let i = 0; i < 20_000; i++) expect(take(`key ${i}`, limit).allowed).toBe(true);
    expect(take('key 19999', limit).allowed).toBe(false);
    now = 1000;
    expect(take('key 19999', limit).allowed).toBe(true);
  });
});

describe('a key with a limit', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  it('is told what is left, then 429 with when to come back; others are not held up', async () => {
    const body = { name: 'slow', role: 'backend', rateLimit: { perSecond: 0.1, burst: 2 } };
    const { secret } = z.object({ secret: z.string() }).parse((await service.request('POST', '/v1/keys', body)).body);
    const headers = { authorization: `Bearer ${secret}` };
    const list = () => service.request('GET', '/v1/pools', undefined, { headers });
    const answers = [await list(), await list(), await list()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers.map((answer) => answer.headers.get('ratelimit-remaining'))).toEqual(['1', '0', '0']);
    expect(answers[2]?.headers.get('ratelimit-limit')).toBe('2');
    expect(Number(answers[2]?.headers.get('ratelimit-reset'))).toBeGreaterThan(10);
    expect(answers[2]?.headers.get('retry-after')).toBe('10');
    expect(answers[2]?.body).toMatchObject({ code: 'rate_limited', class: 'request' });
    const other = await service.request('GET', '/v1/pools', undefined, { as: 'backend' });
    expect([other.status, other.headers.get('ratelimit-limit')]).toEqual([200, null]);
  });

  it('gives each tenant that it mints a token for a limit of its own', async () => {
    const body = { name: 'shop', role: 'backend', rateLimit: { perSecond: 0.1, burst: 2 } };
    const { secret } = z.object({ secret: z.string() }).parse((await service.request('POST', '/v1/keys', body)).body);
    const mint = async (tenant: string) => {
      const answer = await service.request('POST', `/v1/tenants/${tenant}/tokens`, {}, { headers: { authorization: `Bearer ${secret}` } });
      return z.object({ token: z.string() }).parse(answer.body).token;
    };
    const use = async (token: string) => {
      return (await service.request('GET', '/v1/claims', undefined, { headers: { authorization: `Bearer ${token}` } })).status;
    };
    const [acme, globex] = [await mint('acme'), await mint('globex')];
    expect([await use(acme), await use(acme), await use(acme), await use(globex)]).toEqual([200, 200, 429, 200]);
  });
});
