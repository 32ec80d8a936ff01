import { describe, expect, it } from 'vitest';
import { connectRedis } from '#src/platform/redis.ts';
import { openNodeJobs } from '#src/pools/node-jobs.ts';
import { Planner } from '#src/pools/planner.ts';
import { fillPool, waitUntil } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();

/** A clock that stands still until it is put forward. */
function manualClock() {
  let now = 0;
  let asleep: (() => void)[] = [];
  let isStopped = false;
  return {
    nowMs: () => now,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (isStopped) resolve();
        asleep.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      }),
    /** Nobody sleeps any more. */
    stop: () => {
      isStopped = true;
      for (const wake of asleep) wake();
    },
    /** Wakes all who sleep, and waits until somebody does again: the sweep that was woken has ended. */
    forward: async (ms: number) => {
      now += ms;
      const woken = asleep;
      asleep = [];
      for (const wake of woken) wake();
      await waitUntil(async () => expect(asleep.length).toBeGreaterThan(0));
    },
  };
}

describe('the planner', () => {
  const settledFor = 30_000;

  it('looks at a settled pool now and then, at one that changed at once, and at one that lacks something each second', async () => {
    await fillPool(service, { ready: 1, max: 4 });
    await service.stopWorker();
    const jobs = openNodeJobs(service.redis);
    const clock = manualClock();
    const subscriber = connectRedis(service.config.redisUrl ?? '');
    const planner = new Planner({ redis: service.redis, subscriber, jobs, clock, log: { error: () => {} } });
    const plans = async () => Number(/cmdstat_set:calls=(\d+)/.exec(await service.redis.info('commandstats'))?.[1] ?? 0);
    const plansDuring = async (work: () => Promise<void>) => {
      const before = await plans();
      await work();
      return (await plans()) - before;
    };

    await clock.forward(0);
    expect(await plansDuring(() => clock.forward(1000))).toBe(0);
    expect(await plansDuring(() => clock.forward(1000))).toBe(0);
    expect(await plansDuring(() => clock.forward(settledFor))).toBe(1);

    await planner.listen();
    await service.request('PUT', '/v1/pools/web', { template: 'web', size: { ready: 2, max: 4 } });
    await waitUntil(async () => {
      await clock.forward(0);
      expect(await service.redis.zcard('{thaw}:pool-instances:web:restoring')).toBe(1);
    });
    for (let sweep = 0; sweep < 3; sweep++) {
      const before = await plans();
      await waitUntil(async () => {
        await clock.forward(1000);
        expect(await plans()).toBeGreaterThan(before);
      });
    }

    const stopping = planner.stop();
    clock.stop();
    await stopping;
    await jobs.close();
    await service.startWorker();
  });
});
