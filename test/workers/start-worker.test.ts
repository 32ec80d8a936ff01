import { expect, it } from 'vitest';
import { newInstanceId } from '#src/platform/ids.ts';
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
