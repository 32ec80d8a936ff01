import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { newInstanceId } from '#src/platform/ids.ts';
import { nodeQueue, openWorker } from '#src/platform/queue.ts';
import { captureGolden, startService, waitForPool, webTemplate } from '#test/support/service.ts';

it('a worker starts although an instance can not be destroyed, and serves', async () => {
  const service = await startService();
  try {
    await service.request('PUT', '/v1/templates/web', webTemplate);
    await captureGolden(service);
    await service.stopWorker();
    const [golden] = await service.engine.listGoldens();
    if (golden === undefined) throw new Error('the golden was captured');
    const stuck = newInstanceId();
    await service.engine.restore(golden, stuck);
    service.engine.faults.failNext('destroy', 'subprocess_failed');
    await service.startWorker();
    expect((await service.engine.list()).map(({ id }) => id)).toEqual([stuck]);
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 1, max: 1 } });
    await waitForPool(service, { warm: 1 });
  } finally {
    await service.close();
  }
});

it('a capture whose worker was killed goes on as soon as the next worker starts, long before its lock runs out', async () => {
  const service = await startService();
  try {
    await service.request('PUT', '/v1/templates/web', webTemplate);
    await service.stopWorker();
    const { body } = await service.request('POST', '/v1/templates/web/goldens', {});
    const { id } = z.object({ id: z.string() }).parse(body);
    // As one that took the job and was killed: nobody gives its lock back.
    const killed = openWorker(nodeQueue('n1'), service.redis, async () => {}, { autorun: false, lockDuration: 600_000 });
    expect((await killed.getNextJob('the lock of a killed worker'))?.data).toEqual({ operationId: id });
    await killed.close(true);
    await service.startWorker();
    await vi.waitFor(
      async () => expect((await service.request('GET', `/v1/operations/${id}`)).body).toMatchObject({ state: 'succeeded' }),
      { timeout: 3000, interval: 20 },
    );
  } finally {
    await service.close();
  }
});
