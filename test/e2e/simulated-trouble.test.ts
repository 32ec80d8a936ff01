import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createThawClient, type ThawClient } from '#src/client/client.ts';
import { fillPool, keyOf, putPool, startService, type TestService, waitForPool, waitUntil } from '#test/support/service.ts';

/** What the README promises to those who develop against `thaw up --engine memory`. */
let service: TestService;
let thaw: ThawClient;
beforeAll(async () => {
  service = await startService();
  thaw = createThawClient({ url: await service.listen(), key: keyOf('backend'), retry: { attempts: 1 } });
  await fillPool(service, { ready: 2, max: 4 });
});
afterAll(() => service.close());

const claim = (env: Record<string, string> = {}) => thaw.claim('web', { tenant: 'acme', env, waitMs: 5000 });
const read = async (id: string) => (await thaw.GET('/v1/claims/{claim}', { params: { path: { claim: id } } })).data;

describe('with the memory engine, whoever develops against Thaw can have', () => {
  it('an empty pool, by size.ready 0', async () => {
    await putPool(service, { size: { ready: 0, max: 4 } });
    await waitForPool(service, { warm: 0 });
    await expect(thaw.claim('web', { tenant: 'acme' })).rejects.toMatchObject({ status: 503, code: 'pool_empty' });
    await putPool(service, { size: { ready: 2, max: 4 } });
    await waitForPool(service, { warm: 2 });
  });

  it('a slow bind', async () => {
    await using slow = await claim({ THAW_SIMULATE_BIND_MS: '300' });
    expect(slow.claim.receipt?.timingsMs.bind).toBeGreaterThanOrEqual(295);
  });

  it('a bind that fails on every instance', async () => {
    await expect(claim({ THAW_SIMULATE_BIND_FAILURE: '1' })).rejects.toMatchObject({ status: 503, code: 'bind_failed' });
    await waitForPool(service, { warm: 2 });
  });

  it.each([
    ['THAW_SIMULATE_EXIT_AFTER_MS', 'exited', 1],
    ['THAW_SIMULATE_OOM_AFTER_MS', 'oom', 137],
  ])('an instance that is lost, by %s', async (name, endReason, exitCode) => {
    const { id, claim: held } = await claim({ [name]: '100' });
    expect(held.state).toBe('active');
    await waitUntil(async () => expect(await read(id)).toMatchObject({ state: 'lost', endReason, exitCode }));
  });

  it('a slow refill, by the env of the template', async () => {
    const spec = { image: 'dir:/app', ports: [{ name: 'web', port: 8080 }], ready: { http: { port: 8080, path: '/' } } };
    await service.request('PUT', '/v1/templates/slow', { ...spec, env: { THAW_SIMULATE_RESTORE_MS: '400' } });
    await service.request('POST', '/v1/templates/slow/goldens', {});
    await service.request('PUT', '/v1/pools/slow', { template: 'slow', size: { ready: 0, max: 1 } });
    await waitUntil(async () =>
      expect((await service.request('GET', '/v1/templates/slow/aliases')).body).toEqual({ items: [expect.anything()] }),
    );
    await using slow = await thaw.claim('slow', { tenant: 'acme', waitMs: 8000 });
    expect(slow.claim.receipt?.path).toBe('restored');
    expect(slow.claim.receipt?.timingsMs.wait).toBeGreaterThanOrEqual(395);
  });

  it('a clear refusal of a switch that makes no sense', async () => {
    await expect(claim({ THAW_SIMULATE_BIND_MS: 'soon' })).rejects.toThrow(/THAW_SIMULATE_BIND_MS of the env is not right/);
  });
});
