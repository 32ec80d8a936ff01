import { describe, expect, it } from 'vitest';
import { goldenId, InstanceId } from '#src/platform/ids.ts';
import { planPool } from '#src/pools/plan-pool.ts';
import type { ObservedInstance, ObservedPool, PlanTarget, PoolPlan } from '#src/pools/pool-plan.ts';

const now = 1_000_000;
const old = goldenId('api', 6);
const current = goldenId('api', 7);
const target: PlanTarget = { golden: current, cloneBytes: 100, failures: undefined };
const roomyNode = { name: 'n1', refusal: undefined, memoryFreeBytes: 1_000_000 };

describe('filling', () => {
  it('an empty pool is filled to its size', () => {
    expect(planPool(observed(), { ready: 5, max: 20 }, now)).toEqual({
      steps: [{ kind: 'restore', node: 'n1', golden: current, count: 5 }],
      wanted: 5,
    });
  });

  it('clones on their way are not planned again', () => {
    expect(planPool(observed(some('coming', 3), some('warm', 2)), { ready: 5, max: 20 }, now)).toEqual({ steps: [], wanted: 5 });
  });

  it('what died is replaced', () => {
    expect(restored(planPool(observed(some('warm', 4)), { ready: 5, max: 20 }, now))).toBe(1);
  });

  it('claimed ones count against max and not against ready', () => {
    expect(restored(planPool(observed(some('held', 8), some('warm', 1)), { ready: 5, max: 20 }, now))).toBe(4);
  });

  it('no more than max live at once, and the reason says so', () => {
    const plan = planPool(observed(some('held', 8)), { ready: 5, max: 10 }, now);
    expect(restored(plan)).toBe(2);
    expect(plan).toMatchObject({ wanted: 2, reason: 'size.max 10 is reached: 8 are claimed' });
  });

  it('a pool whose max is all claimed is left alone', () => {
    expect(planPool(observed(some('held', 10)), { ready: 5, max: 10 }, now)).toMatchObject({ steps: [], wanted: 0 });
  });

  it('more claimed than a lowered max allows is no error', () => {
    expect(planPool(observed(some('held', 10)), { ready: 5, max: 3 }, now)).toMatchObject({ steps: [], wanted: 0 });
  });

  it('surplus clones of a pool made smaller are destroyed, the longest-warm first', () => {
    const warm = some('warm', 3).map((one, index) => ({ ...one, since: now - index }));
    const [newest, ...older] = warm;
    expect(planPool(observed(warm), { ready: 1, max: 20 }, now).steps).toEqual([
      { kind: 'destroy', ids: older.toReversed().map((one) => one.id), why: 'surplus' },
    ]);
    expect(newest?.since).toBe(now);
  });

  it('clones still on their way are not destroyed as surplus', () => {
    expect(planPool(observed(some('coming', 3)), { ready: 1, max: 20 }, now).steps).toEqual([]);
  });

  it('a pool of size 0 is emptied', () => {
    expect(destroyed(planPool(observed(some('warm', 2)), { ready: 0, max: 20 }, now))).toBe(2);
  });

  it('without a golden nothing is restored, what is warm stays, and the reason says what is missing', () => {
    const plan = planPool(
      { ...observed(some('warm', 1)), target: { missing: 'template api has no alias stable' } },
      { ready: 2, max: 9 },
      now,
    );
    expect(plan).toEqual({ steps: [], wanted: 2, reason: 'template api has no alias stable' });
  });
});

describe('a change of golden', () => {
  it('a new clone is made before an old one goes', () => {
    const plan = planPool(observed(some('warm', 3, old)), { ready: 3, max: 20 }, now);
    expect([restored(plan), destroyed(plan)]).toEqual([1, 0]);
  });

  it('while the new one is on its way nothing else happens', () => {
    expect(planPool(observed(some('warm', 3, old), some('coming', 1)), { ready: 3, max: 20 }, now).steps).toEqual([]);
  });

  it('as many old ones go as new ones are warm beyond what is wanted, the oldest first', () => {
    const warmOld = some('warm', 3, old).map((one, index) => ({ ...one, since: now - index }));
    const plan = planPool(observed(warmOld, some('warm', 1)), { ready: 3, max: 20 }, now);
    expect(plan.steps).toEqual([{ kind: 'destroy', ids: [warmOld.at(-1)?.id], why: 'outdated' }]);
  });

  it('what is missing meanwhile is restored from the new golden together with the surge', () => {
    expect(restored(planPool(observed(some('warm', 1, old)), { ready: 3, max: 20 }, now))).toBe(3);
  });

  it('old clones still on their way count until they are warm', () => {
    expect(restored(planPool(observed(some('coming', 3, old)), { ready: 3, max: 20 }, now))).toBe(1);
  });

  it('claimed clones of the old golden live out their lease', () => {
    expect(planPool(observed(some('held', 2, old), some('warm', 3)), { ready: 3, max: 20 }, now).steps).toEqual([]);
  });

  it('where max leaves no room, one old clone goes first', () => {
    const plan = planPool(observed(some('warm', 3, old)), { ready: 3, max: 3 }, now);
    expect([restored(plan), destroyed(plan)]).toEqual([0, 1]);
    expect(planPool(observed(some('warm', 2, old), some('coming', 1)), { ready: 3, max: 3 }, now).steps).toEqual([]);
  });

  it('the last warm clone stays where max leaves no room, and the reason says what to do', () => {
    const plan = planPool(observed(some('warm', 1, old)), { ready: 1, max: 1 }, now);
    expect(plan.steps).toEqual([]);
    expect(plan.reason).toContain('raise size.max');
  });

  it('no old clone makes room for a golden that fails', () => {
    const failing = { ...target, failures: { count: 1, lastAt: now, message: 'no' } };
    expect(destroyed(planPool({ ...observed(some('warm', 3, old)), target: failing }, { ready: 3, max: 3 }, now))).toBe(0);
  });

  it.each([
    [1, 2],
    [2, 2],
    [3, 3],
    [4, 9],
    [10, 11],
  ])('carried out to its end with ready %i and max %i, the pool is all new and never below ready less one nor above max', (ready, max) => {
    let pool = observed(some('warm', ready, old));
    for (let round = 0; round < 10 * ready; round++) {
      pool = carriedOut(pool, planPool(pool, { ready, max }, now));
      expect(pool.instances.length).toBeLessThanOrEqual(max);
      expect(pool.instances.filter((one) => one.tier === 'warm').length).toBeGreaterThanOrEqual(max > ready ? ready : ready - 1);
      pool = { ...pool, instances: pool.instances.map((one) => ({ ...one, tier: 'warm' })) };
    }
    expect(pool.instances.filter((one) => one.golden === current)).toHaveLength(ready);
    expect(pool.instances).toHaveLength(ready);
  });
});

describe('a golden that fails', () => {
  const failed = (count: number, agoMs: number) => ({
    ...observed(),
    target: { ...target, failures: { count, lastAt: now - agoMs, message: 'restore of ins failed' } },
  });

  it('two failures in a row are put up with', () => {
    expect(restored(planPool(failed(2, 0), { ready: 5, max: 20 }, now))).toBe(5);
  });

  it.each([
    [3, 1],
    [4, 2],
    [5, 4],
    [9, 60],
    [400, 60],
  ])('after %i failures the next try is %i s later, and the reason says so', (count, seconds) => {
    const plan = planPool(failed(count, 0), { ready: 5, max: 20 }, now);
    expect(plan.steps).toEqual([]);
    expect(plan.reason).toBe(`api@7 failed ${count} times in a row, last: restore of ins failed; the next try is in ${seconds} s`);
    expect(restored(planPool(failed(count, seconds * 1000), { ready: 5, max: 20 }, now))).toBe(1);
  });

  it('one that works again is trusted once a clone has lived for five seconds, and not before', () => {
    const seen = (ms: number, tier: ObservedInstance['tier']) => ({
      ...failed(3, ms + 1),
      instances: some(tier, 1).map((one) => ({ ...one, since: now - ms })),
    });
    const size = { ready: 1, max: 20 };
    expect(planPool(seen(4999, 'warm'), size, now).steps).toEqual([]);
    expect(planPool(seen(5000, 'warm'), size, now).steps).toEqual([{ kind: 'forgive', golden: current }]);
    expect(planPool(seen(5000, 'coming'), size, now).steps).toEqual([]);
  });

  it('a clone that was warm before the last failure proves nothing', () => {
    const before = { ...failed(3, 6000), instances: some('warm', 1).map((one) => ({ ...one, since: now - 7000 })) };
    expect(planPool(before, { ready: 1, max: 20 }, now).steps).toEqual([]);
  });

  it('one clone at a time tries', () => {
    const trying = { ...failed(3, 5000), instances: some('coming', 1) };
    expect(planPool(trying, { ready: 5, max: 20 }, now)).toMatchObject({ steps: [], reason: expect.stringContaining('being tried') });
  });
});

describe('placement', () => {
  const node = (name: string, memoryFreeBytes: number, refusal?: string) => ({ name, memoryFreeBytes, refusal });

  it('clones go where most memory is left', () => {
    const plan = planPool({ ...observed(), nodes: [node('n1', 250), node('n2', 450)] }, { ready: 5, max: 20 }, now);
    expect(plan.steps).toEqual([
      { kind: 'restore', node: 'n1', golden: current, count: 2 },
      { kind: 'restore', node: 'n2', golden: current, count: 3 },
    ]);
  });

  it('never more than the memory of the nodes allows, and the reason says which node lacks what', () => {
    const plan = planPool({ ...observed(), nodes: [node('n1', 250)] }, { ready: 5, max: 20 }, now);
    expect(restored(plan)).toBe(2);
    expect(plan.reason).toBe('no node has room for 3 more of api@7: n1 has 0 MB free, a clone takes 0 MB');
  });

  it('memory that clones on their way will take is not given away twice', () => {
    const plan = planPool({ ...observed(some('coming', 2)), nodes: [node('n1', 250)] }, { ready: 5, max: 20 }, now);
    expect(restored(plan)).toBe(0);
  });

  it('a node that refuses gets none, however much memory it has', () => {
    const plan = planPool({ ...observed(), nodes: [node('n1', 900, 'is cordoned'), node('n2', 100)] }, { ready: 1, max: 20 }, now);
    expect(plan.steps).toEqual([{ kind: 'restore', node: 'n2', golden: current, count: 1 }]);
  });

  it('without any node the reason says that none has reported', () => {
    expect(planPool({ ...observed(), nodes: [] }, { ready: 1, max: 2 }, now).reason).toContain('no node has reported');
  });
});

function observed(...instances: (readonly ObservedInstance[])[]): ObservedPool {
  const all = instances.flat();
  return { instances: all, held: all.filter((one) => one.tier === 'held').length, target, nodes: [roomyNode] };
}

let made = 0;
function some(tier: ObservedInstance['tier'], count: number, golden = current): ObservedInstance[] {
  return Array.from({ length: count }, () => ({ id: newId(), golden, node: 'n1', tier, since: now }));
}

function newId(): InstanceId {
  return InstanceId.parse(`ins-${String(made++).padStart(16, '0')}`);
}

function restored(plan: PoolPlan): number {
  return plan.steps.reduce((sum, step) => sum + (step.kind === 'restore' ? step.count : 0), 0);
}

function destroyed(plan: PoolPlan): number {
  return plan.steps.reduce((sum, step) => sum + (step.kind === 'destroy' ? step.ids.length : 0), 0);
}

function carriedOut(pool: ObservedPool, plan: PoolPlan): ObservedPool {
  const gone = new Set(plan.steps.flatMap((step) => (step.kind === 'destroy' ? step.ids : [])));
  return { ...pool, instances: [...pool.instances.filter((one) => !gone.has(one.id)), ...some('coming', restored(plan))] };
}
