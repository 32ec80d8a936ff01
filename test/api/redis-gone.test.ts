import { expect, it } from 'vitest';
import { startService } from '#test/support/service.ts';

it('without Redis a request is answered 503 with when to come back, and the next one works once Redis is there again', async () => {
  const service = await startService();
  try {
    expect((await service.request('GET', '/v1/pools')).status).toBe(200);
    const pid = Number(/process_id:(\d+)/.exec(await service.redis.info('server'))?.[1]);
    process.kill(pid, 'SIGSTOP');
    try {
      const answer = await service.request('GET', '/v1/pools');
      expect(answer).toMatchObject({ status: 503, body: { code: 'redis_unavailable', class: 'node' } });
      expect(answer.headers.get('retry-after')).toBe('1');
      expect((await service.request('GET', '/readyz')).status).toBe(503);
      expect((await service.request('GET', '/healthz')).status).toBe(200);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect((await service.request('GET', '/v1/pools')).status).toBe(200);
  } finally {
    await service.close();
  }
});
