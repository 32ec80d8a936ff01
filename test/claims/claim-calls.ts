import type { Role } from '#src/platform/http/access.ts';
import type { Answer, TestService } from '#test/support/service.ts';

interface ClaimCalls {
  /** From the pool of fillPool, for this tenant. */
  claim(tenant: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
  /** The body of the answer. */
  read(id: string): Promise<unknown>;
  release(id: string): Promise<Answer>;
  /** How many claims wait for an instance of the pool. */
  lineLength(pool?: string): Promise<number>;
}

/** What callers ask of claims. `as`: who makes them. */
export function claimCalls(service: Pick<TestService, 'request' | 'redis'>, as: Role = 'admin'): ClaimCalls {
  return {
    claim: (tenant, body = {}, headers = {}) => service.request('POST', '/v1/pools/web/claims', { tenant, ...body }, { as, headers }),
    read: async (id) => (await service.request('GET', `/v1/claims/${id}`)).body,
    release: (id) => service.request('DELETE', `/v1/claims/${id}`),
    lineLength: (pool = 'web') => service.redis.zcard(`{thaw}:pool-waiting:${pool}`),
  };
}
