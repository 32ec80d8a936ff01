import { describe, expect, it } from 'vitest';
import { getRestoreFailures } from '#src/goldens/failures.ts';
import { goldenId, InstanceId } from '#src/platform/ids.ts';
import { planOnePool } from '#src/pools/plan-one-pool.ts';
import type { RunPlanDeps } from '#src/pools/run-plan.ts';
import { captureGolden, fillPool, parseClaim, poolStatus, waitForPool, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

const pool = (size: object, more: object = {}) => service.request('PUT', '/v1/pools/web', { template: 'web', size, ...more });
const noJobs: RunPlanDeps['jobs'] = {
  build: async () => {},
  restore: async () => {},
  start: async () => {},
  destroy: async () => {},
  cancelRestore: async () => {},
  repeat: async () => {},
};
const running = async () => await service.engine.list();
const claim = async () => parseClaim(await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' }));

describe('a pool', () => {
  it('that exists before its golden says what it waits for, and is filled once the golden is there', async () => {
    await service.request('PUT', '/v1/templates/web', webTemplate);
    expect(await pool({ ready: 2, max: 4 })).toMatchObject({
      status: 201,
      body: { status: { warm: 0, wanted: 2, reason: 'template "web" has no golden with the alias "stable"' } },
    });
    await captureGolden(service);
    await waitForPool(service, { warm: 2 });
  });

  it('made larger and smaller follows', async () => {
    await fillPool(service, { ready: 2, max: 10 });
    await pool({ ready: 5, max: 10 });
    await waitForPool(service, { warm: 5 });
    await pool({ ready: 1, max: 10 });
    await waitForPool(service, { warm: 1 });
    await waitUntil(async () => expect(await running()).toHaveLength(1));
  });

  it('replaces an instance that died', async () => {
    await fillPool(service, { ready: 2, max: 4 });
    const [victim] = await running();
    service.engine.kill(InstanceId.parse(victim?.id), 1);
    await waitUntil(async () => {
      const ids = (await running()).map((one) => one.id);
      expect(ids).toHaveLength(2);
      expect(ids).not.toContain(victim?.id);
    });
    await waitForPool(service, { warm: 2 });
  });

  it('never holds more than max, claims included', async () => {
    await fillPool(service, { ready: 2, max: 3 });
    await claim();
    await claim();
    await waitForPool(service, { warm: 1, claimed: 2, wanted: 1, reason: 'size.max 3 is reached: 2 are claimed' });
    expect(await running()).toHaveLength(3);
  });

  it('changes over to a new golden without ever being short of one', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    let isWatching = true;
    const lowest = (async () => {
      let low = Number.POSITIVE_INFINITY;
      while (isWatching) low = Math.min(low, (await poolStatus(service)).warm);
      return low;
    })();
    await captureGolden(service);
    await waitUntil(async () => {
      const goldens = (await running()).map((one) => one.golden);
      expect(goldens).toEqual(['web@2', 'web@2', 'web@2']);
    });
    isWatching = false;
    expect(await lowest).toBeGreaterThanOrEqual(3);
  });

  it('goes back to an older golden by its alias, and a pool with a number stays on that', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    await captureGolden(service);
    await waitUntil(async () => expect((await running()).map((one) => one.golden)).toEqual(['web@2']));
    await service.request('PUT', '/v1/templates/web/aliases/stable', { golden: 1 });
    await waitUntil(async () => expect((await running()).map((one) => one.golden)).toEqual(['web@1']));
    await pool({ ready: 1, max: 4 }, { golden: 2 });
    await waitUntil(async () => expect((await running()).map((one) => one.golden)).toEqual(['web@2']));
  });

  it('whose golden fails stops trying after three times and says why; then it recovers by itself', async () => {
    await fillPool(service, { ready: 0, max: 4 });
    service.engine.faults.failNext('restore', 'restore_failed', 4);
    await pool({ ready: 1, max: 4 });
    await waitUntil(async () => {
      const { reason } = await poolStatus(service);
      expect(reason).toMatch(/^web@1 failed 3 times in a row, last: .*simulated fault; the next try on n1 is in 1 s$/);
    });
    await waitForPool(service, { warm: 1 });
    const metrics = (await service.request('GET', '/metrics')).text;
    expect(metrics).toContain('thaw_restores_total{outcome="restore_failed"} 4');
  });

  it('whose clones end soon after they became warm stops trying too', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    for (let death = 1; death <= 3; death++) {
      await waitUntil(async () => {
        const [instance] = await running();
        const { warm } = await poolStatus(service);
        expect(warm).toBe(1);
        service.engine.kill(InstanceId.parse(instance?.id), 1);
      });
      await waitUntil(async () => expect((await getRestoreFailures(service.redis, goldenId('web', 1))).get('n1')?.count).toBe(death));
    }
    expect((await poolStatus(service)).reason).toContain('failed 3 times in a row');
  });

  it('on a cordoned node gets nothing new, and says so', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    await service.request('POST', '/v1/nodes/n1/cordon');
    await pool({ ready: 2, max: 4 });
    await waitUntil(async () => expect((await poolStatus(service)).reason).toContain('n1 is cordoned'));
    expect(await running()).toHaveLength(1);
    await service.request('POST', '/v1/nodes/n1/uncordon');
    await waitForPool(service, { warm: 2 });
  });

  it('whose plan was cut off between the record and the job is filled all the same', async () => {
    await fillPool(service, { ready: 0, max: 4 });
    await service.stopWorker();
    await pool({ ready: 2, max: 4 });
    const jobs = { ...noJobs, restore: () => Promise.reject(new Error('killed here')) };
    await expect(planOnePool({ redis: service.redis, jobs }, 'web')).rejects.toThrow('killed here');
    expect((await poolStatus(service)).restoring).toBeGreaterThan(0);
    await service.startWorker();
    await waitForPool(service, { warm: 2, restoring: 0 });
    expect(await running()).toHaveLength(2);
  });

  it('planned by many at once is not overfilled', async () => {
    await fillPool(service, { ready: 0, max: 9 });
    await service.stopWorker();
    await pool({ ready: 3, max: 9 });
    const asked: string[] = [];
    const jobs = { ...noJobs, restore: async (_node: string, id: string) => void asked.push(id) };
    const planned = await Promise.all(Array.from({ length: 10 }, () => planOnePool({ redis: service.redis, jobs }, 'web')));
    expect(planned.filter((each) => each !== 'busy').length).toBeGreaterThanOrEqual(1);
    expect(asked).toHaveLength(3);
    await service.startWorker();
  });
});

describe('a deleted pool', () => {
  it('takes its instances with it', async () => {
    await fillPool(service, { ready: 3, max: 6 });
    expect((await service.request('DELETE', '/v1/pools/web')).status).toBe(204);
    expect(await service.request('GET', '/v1/pools/web')).toMatchObject({ status: 404, body: { code: 'pool_not_found' } });
    await waitUntil(async () => expect(await running()).toEqual([]));
    await waitUntil(async () => expect(await service.redis.scard('{thaw}:deleting-pools')).toBe(0));
  });

  it('that was deleted while no planner ran is emptied by the next', async () => {
    await fillPool(service, { ready: 2, max: 6 });
    await service.stopWorker();
    await service.request('DELETE', '/v1/pools/web');
    await service.startWorker();
    await waitUntil(async () => expect(await running()).toEqual([]));
  });

  it('with live claims is refused', async () => {
    await fillPool(service, { ready: 1, max: 3 });
    const { id } = await claim();
    expect(await service.request('DELETE', '/v1/pools/web')).toMatchObject({ status: 409, body: { code: 'pool_in_use' } });
    await service.request('DELETE', `/v1/claims/${id}`);
    expect((await service.request('DELETE', '/v1/pools/web')).status).toBe(204);
  });
});

describe('a change of a pool', () => {
  it('is refused when someone else changed it meanwhile', async () => {
    await fillPool(service, { ready: 0, max: 1 });
    const etag = (await service.request('GET', '/v1/pools/web')).headers.get('etag') ?? '';
    const change = (ready: number) =>
      service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready, max: 9 } }, { headers: { 'if-match': etag } });
    expect((await change(1)).status).toBe(200);
    expect(await change(2)).toMatchObject({ status: 412, body: { code: 'precondition_failed', class: 'conflict' } });
  });

  it.each([
    [{ size: { ready: '25', max: 9 } }, 'size.ready', 'a share of the claimed ones'],
    [{ size: { ready: '0%', max: 9 } }, 'size.ready', 'a share of the claimed ones'],
    [{ size: { ready: 1.5, max: 9 } }, 'size.ready', 'a whole number'],
    [{ size: { ready: -1, max: 9 } }, 'size.ready', 'a whole number'],
    [{ size: { ready: 10, max: 9 } }, 'size.ready', 'size.max'],
    [{ size: { ready: 1, max: 9 }, tiers: { hot: 1 } }, 'tiers', 'not supported yet'],
    [{ size: { ready: 1, max: 9 }, perTenant: { held: -1 } }, 'perTenant.held', 'from 0 to 1000000'],
    [{ size: { ready: 1, max: 9 }, perTenant: { held: '5' } }, 'perTenant.held', 'a whole number'],
    [{ size: { ready: 1, max: 9 }, perTenant: { helt: 5 } }, 'perTenant.helt', 'unknown field'],
    [{ size: { ready: 1, max: 9 }, rollout: { surge: -1 } }, 'rollout.surge', 'a whole number from 0'],
    [{ size: { ready: 1, max: 9 }, rollout: { surge: '101%' } }, 'rollout.surge', 'from "0%" to "100%"'],
    [{ size: { ready: 1, max: 9 }, rollout: { maxUnavailable: 'all' } }, 'rollout.maxUnavailable', 'a share'],
    [{ size: { ready: 1, max: 9 }, rollout: { surge: '0%', maxUnavailable: 0 } }, 'rollout.maxUnavailable', 'where surge is 0'],
    [{ size: { ready: 1, max: 9 }, rollout: { deadlineMs: 0 } }, 'rollout.deadlineMs', '1000'],
    [{ size: { ready: 1, max: 9 }, lease: { maxMs: 5000, defaultMs: 2000, idleMs: 6000 } }, 'lease.idleMs', 'lease.maxMs'],
    [{ size: { ready: 1, max: 9 }, lease: { defaultMs: 5000, maxMs: 2000 } }, 'lease.defaultMs', 'lease.maxMs'],
    [{ size: { ready: 1, max: 9 }, colour: 'red' }, 'colour', 'unknown field'],
  ])('that does not fit is refused with the path: %j', async (body, path, message) => {
    await service.request('PUT', '/v1/templates/web', webTemplate);
    const answer = await service.request('PUT', '/v1/pools/web', { template: 'web', ...body });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ in: 'body', path, message: expect.stringContaining(message) }] } });
  });

  it('of a template that does not exist is refused by its name', async () => {
    expect(await pool({ ready: 1, max: 1 })).toMatchObject({ status: 404, body: { code: 'template_not_found' } });
  });
});
