import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { getGolden } from '#src/goldens/store.ts';
import { readEventsAfter } from '#src/platform/events.ts';
import { goldenId, type InstanceId } from '#src/platform/ids.ts';
import { captureGolden, fillPool, parseClaim, putPool, waitForPool, waitUntil, webTemplate } from '#test/support/service.ts';
import { useService } from '#test/support/use-service.ts';

const service = useService();
const [first, second] = [goldenId('web', 1), goldenId('web', 2)];
const size = { ready: 3, max: 12 };
/** Long enough that a second look at the pool falls into it. */
const watched = { soakMs: 500 };

const Pool = z.object({
  status: z.looseObject({
    ...{ warm: z.number(), updated: z.number(), outdated: z.number(), failed: z.number(), golden: z.string() },
    rollout: z.looseObject({ from: z.string(), to: z.string(), state: z.string(), reason: z.string().optional() }).optional(),
  }),
});
const status = async () => Pool.parse((await service.request('GET', '/v1/pools/web')).body).status;
const untilRollout = (state: string) =>
  waitUntil(async () => {
    const found = await status();
    expect(found.rollout?.state, JSON.stringify(found)).toBe(state);
    return found;
  });

async function events(...nouns: string[]) {
  const all = await readEventsAfter(service.redis, '0', 10_000);
  return all.filter(({ type }) => nouns.some((noun) => type.startsWith(noun))).map(({ id: _id, at: _at, ...event }) => event);
}

const promote = (golden: number) => service.request('PUT', '/v1/templates/web/aliases/stable', { golden });

/** `web@2` is ready, and `stable` still points to `web@1`. */
async function secondGolden(): Promise<void> {
  await service.request('PUT', '/v1/templates/web', { ...webTemplate, refresh: { promote: 'manual' } });
  await captureGolden(service);
}

async function clonesOf(golden: string): Promise<InstanceId[]> {
  return (await service.engine.list()).filter((one) => one.golden === golden && one.state === 'running').map(({ id }) => id);
}

/** Meanwhile clones of the golden end by themselves as soon as they are warm, as those of an app do that finds fault with its world. */
async function whileClonesEnd<T>(golden: string, work: () => Promise<T>): Promise<T> {
  let isOver = false;
  const endThem = async () => {
    while (!isOver) {
      const warm = await service.redis.zrange('{thaw}:pool-instances:web:warm', 0, '-1');
      for (const id of await clonesOf(golden)) if (warm.includes(id)) service.engine.kill(id, 1);
      await setTimeout(5);
    }
  };
  const ending = endThem();
  try {
    return await work();
  } finally {
    isOver = true;
    await ending;
  }
}

describe('a pool whose alias moves', () => {
  it('changes over and tells when it has, and from then on every claim gets the new golden', async () => {
    await fillPool(service, size);
    await putPool(service, { size: { ready: 3, max: 30 }, rollout: watched });
    await secondGolden();
    expect(await status()).toMatchObject({ updated: 3, outdated: 0, failed: 0 });
    expect((await status()).rollout).toBeUndefined();
    await promote(2);
    expect(await untilRollout('progressing')).toMatchObject({ golden: second, outdated: 3, rollout: { from: first, to: second } });
    let isRefreshed = false;
    while (!isRefreshed) {
      isRefreshed = (await events('pool.refreshed')).length > 0;
      const claimed = await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme', waitMs: 2000 });
      expect(claimed.status).toBe(201);
      const { id, instance } = parseClaim(claimed);
      if (isRefreshed) expect(instance.golden).toBe(second);
      await service.request('DELETE', `/v1/claims/${id}`);
    }
    expect(await untilRollout('complete')).toMatchObject({ outdated: 0, failed: 0 });
    const told = { pool: 'web', template: 'web', golden: second, from: first, to: second };
    expect((await events('rollout.', 'pool.refreshed')).map(({ trace: _trace, ...event }) => event)).toEqual([
      { type: 'rollout.progressing', ...told },
      { type: 'rollout.complete', ...told },
      { type: 'pool.refreshed', ...told },
    ]);
  });

  it('that is pinned to a number stays', async () => {
    await fillPool(service, size);
    await putPool(service, { golden: 1, size });
    await secondGolden();
    await promote(2);
    expect(await status()).toMatchObject({ golden: first, outdated: 0 });
  });

  it('tells when the change missed its deadline, goes on, and is complete in the end', async () => {
    await fillPool(service, { ready: 1, max: 1 });
    await putPool(service, { size: { ready: 1, max: 1 }, rollout: { soakMs: 0, deadlineMs: 1000 } });
    await secondGolden();
    await promote(2);
    const { rollout } = await untilRollout('failed');
    expect(rollout?.reason).toContain('size.max 1 leaves no room for a new clone beside the last warm one');
    await putPool(service, { size: { ready: 1, max: 2 }, rollout: { soakMs: 0, deadlineMs: 1000 } });
    await untilRollout('complete');
    expect((await events('rollout.')).map(({ type }) => type)).toEqual(['rollout.progressing', 'rollout.failed', 'rollout.complete']);
  });

  it('back by hand in the middle of a change is rolled back', async () => {
    await fillPool(service, size);
    await putPool(service, { size, rollout: { soakMs: 60_000 } });
    await secondGolden();
    await promote(2);
    await waitUntil(async () => expect(await clonesOf(second)).toHaveLength(1));
    await promote(1);
    expect((await untilRollout('rolled_back')).rollout?.reason).toBe(`the pool was pointed back to ${first}`);
    await waitUntil(async () => expect(await clonesOf(second)).toEqual([]));
    expect((await getGolden(service.redis, second))?.problem).toBeUndefined();
  });
});

describe('a golden that is found bad when a pool changes over', () => {
  it('because its clones can not be restored is rolled back once, marked, and not promoted again by itself', async () => {
    await fillPool(service, size);
    await secondGolden();
    service.engine.faults.failNext('restore', 'restore_failed', 3);
    await promote(2);
    const { rollout, failed } = await untilRollout('rolled_back');
    expect(rollout).toMatchObject({ from: first, to: second, reason: expect.stringContaining('a simulated fault') });
    expect(failed).toBe(3);
    const alias = await service.request('GET', '/v1/templates/web/aliases/stable');
    expect(alias.body).toMatchObject({ golden: 1, previous: 2, history: [{ golden: 1, by: 'thaw', reason: expect.anything() }, {}, {}] });
    expect(await getGolden(service.redis, second)).toMatchObject({ state: 'ready', problem: { code: 'restore_failed' } });
    expect(await events('rollout.rolled_back')).toMatchObject([{ pool: 'web', from: first, to: second, reason: 'restore_failed' }]);
    expect((await events('alias.moved')).at(-1)).toMatchObject({ from: second, to: first, actor: 'thaw', reason: 'restore_failed' });
    await waitForPool(service, { warm: 3 });
    expect((await status()).outdated).toBe(0);
  });

  it('has another chance when it is promoted by hand', async () => {
    await fillPool(service, size);
    await putPool(service, { size, rollout: watched });
    await secondGolden();
    service.engine.faults.failNext('restore', 'restore_failed', 3);
    await promote(2);
    await untilRollout('rolled_back');
    await promote(2);
    await untilRollout('complete');
    expect((await getGolden(service.redis, second))?.problem).toBeUndefined();
  });

  it('because its clones end by themselves is rolled back, and no old one went for it', async () => {
    await fillPool(service, size);
    await secondGolden();
    const old = await clonesOf(first);
    const { rollout } = await whileClonesEnd(second, async () => {
      await promote(2);
      return untilRollout('rolled_back');
    });
    expect(rollout?.reason).toContain('ended by itself');
    expect(await getGolden(service.redis, second)).toMatchObject({ problem: { code: 'clone_exited' } });
    expect(await clonesOf(first)).toEqual(expect.arrayContaining(old));
  });

  it('because it is restored markedly slower than the old one is rolled back', async () => {
    await fillPool(service, { ready: 6, max: 20 });
    await putPool(service, { size: { ready: 6, max: 20 }, rollout: { soakMs: 0, surge: 6 } });
    await secondGolden();
    service.engine.timings.restoreMs = 400;
    await promote(2);
    const { rollout } = await untilRollout('rolled_back');
    expect(rollout?.reason).toMatch(/restores of web@2 take \d+ ms, those of web@1 took \d+ ms; the limit is 3 times that/);
    expect(await getGolden(service.redis, second)).toMatchObject({ problem: { code: 'restore_slow' } });
  });

  it('because its files have changed is rolled back', async () => {
    await fillPool(service, size);
    await secondGolden();
    service.engine.faults.corruptGolden(second);
    await promote(2);
    await untilRollout('rolled_back');
    expect(await getGolden(service.redis, second)).toMatchObject({ state: 'failed', problem: { code: 'golden_corrupt' } });
    await waitForPool(service, { warm: 3 });
  });

  it('takes all pools that follow the alias back, each with its reason', async () => {
    await fillPool(service, size);
    await service.request('PUT', '/v1/pools/side', { template: 'web', size: { ready: 1, max: 4 }, rollout: { soakMs: 60_000 } });
    await waitUntil(async () => expect(await clonesOf(first)).toHaveLength(4));
    await secondGolden();
    await whileClonesEnd(second, async () => {
      await promote(2);
      await untilRollout('rolled_back');
    });
    const side = await waitUntil(async () => {
      const found = Pool.parse((await service.request('GET', '/v1/pools/side')).body).status;
      expect(found.rollout?.state).toBe('rolled_back');
      return found;
    });
    expect(side.rollout?.reason).toContain('when pool web changed over');
  });

  it('stays where a pool names it by its number: nobody but its owner changes that', async () => {
    await fillPool(service, size);
    await secondGolden();
    service.engine.faults.failNext('restore', 'restore_failed', 3);
    await putPool(service, { golden: 2, size });
    await waitUntil(async () => expect((await status()).failed).toBe(3));
    expect((await status()).rollout?.state).toBe('progressing');
    expect((await getGolden(service.redis, second))?.problem).toBeUndefined();
  });
});
