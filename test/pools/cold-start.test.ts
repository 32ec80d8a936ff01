import { beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { captureGolden, parseClaim, poolStatus, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();
beforeEach(async () => {
  await service.request('PUT', '/v1/templates/web', { ...webTemplate, coldFallback: true });
  await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 1, max: 4 } });
});

const claim = (body: object = {}) =>
  service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', waitMs: 8000, coldFallback: true, ...body });
const roles = async () => {
  const { items } = z
    .object({ items: z.array(z.object({ role: z.string(), state: z.string() })) })
    .parse((await service.request('GET', '/v1/instances?pool=web')).body);
  return items.map(({ role, state }) => `${role} ${state}`).toSorted();
};

describe('a claim that takes a cold start', () => {
  it('is given one where there is no golden, and the receipt says so', async () => {
    const answer = await claim();
    expect(answer).toMatchObject({ status: 201, body: { receipt: { path: 'cold', reason: 'no golden could be restored' } } });
    const { endpoints } = parseClaimInstance(answer.body);
    expect((await fetch(`http://${endpoints.host}:${endpoints.port}/`)).status).toBe(200);
    expect(await roles()).toEqual(['cold claimed']);
  });

  it('is given one where every restore fails', async () => {
    await captureGolden(service);
    await waitUntil(async () => expect((await poolStatus(service)).warm).toBe(1));
    expect(parseClaim(await claim()).receipt?.path).toBe('hot');
    service.engine.faults.failNext('restore', 'restore_failed', 1000);
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 2, max: 4 } });
    await waitUntil(async () => expect((await claim({ waitMs: 2000 })).status).toBe(201));
    expect(await roles()).toContain('cold claimed');
  });

  it('is not given one while a clone can be had', async () => {
    await captureGolden(service);
    await Promise.all([claim(), claim(), claim()]);
    expect((await roles()).filter((role) => role.startsWith('cold'))).toEqual([]);
  });

  it('that gave up leaves none behind', async () => {
    service.engine.timings.startMs = 60_000;
    const answer = claim({ waitMs: 500 });
    await waitUntil(async () => expect(await roles()).toEqual([expect.stringContaining('cold')]));
    expect((await answer).status).toBe(503);
    await vi.waitFor(async () => expect((await roles()).filter((role) => role !== 'cold releasing')).toEqual([]), {
      timeout: 3000,
      interval: 20,
    });
  });

  it('is refused where the template does not allow it', async () => {
    await service.request('PUT', '/v1/templates/web', webTemplate);
    expect(await claim()).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path: 'coldFallback' }] } });
  });

  it('whose worker was killed meanwhile is given one all the same', async () => {
    service.engine.timings.startMs = 3000;
    const answer = claim();
    await waitUntil(async () => expect(await roles()).toEqual([expect.stringMatching(/^cold (starting|preparing)$/)]));
    await service.stopWorker();
    await service.startWorker();
    expect((await answer).status).toBe(201);
  });
});

function parseClaimInstance(body: unknown) {
  const { instance } = z
    .object({ instance: z.object({ endpoints: z.tuple([z.object({ host: z.string(), port: z.number() })]) }) })
    .parse(body);
  return { endpoints: instance.endpoints[0] };
}
