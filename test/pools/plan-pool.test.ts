import { describe, expect, it } from 'vitest';
import type { RestoreFailures } from '#src/goldens/failures.ts';
import { goldenId, InstanceId } from '#src/platform/ids.ts';
import { planPool } from '#src/pools/plan-pool.ts';
import type { ObservedInstance, ObservedNode, ObservedPool, PlanTarget, PoolPlan } from '#src/pools/pool-plan.ts';

const now = 1_000_000;
const old = goldenId('api', 6);
const current = goldenId('api', 7);
const target: PlanTarget = { golden: current, cloneBytes: 100 };
const roomyNode: ObservedNode = { name: 'n1', refusal: undefined, memoryFreeBytes: 1_000_000, failures: undefined };

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

  it('what waits in line is restored beside what is kept ready, within max', () => {
    const waiting = { ...observed(some('held', 2), some('coming', 1)), waiting: 4 };
    expect(planPool(waiting, { ready: 2, max: 20 }, now)).toMatchObject({ wanted: 6, steps: [{ kind: 'restore', count: 5 }] });
    expect(planPool(waiting, { ready: 2, max: 6 }, now)).toMatchObject({ wanted: 4, steps: [{ kind: 'restore', count: 3 }] });
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

describe('a share of the claimed as what is kept ready', () => {
  it.each([
    ['25%', 0, 20, 1],
    ['25%', 1, 20, 1],
    ['25%', 4, 20, 1],
    ['25%', 5, 20, 2],
    ['25%', 16, 20, 4],
    ['25%', 17, 20, 3],
    ['25%', 20, 20, 0],
    ['100%', 7, 20, 7],
    ['1%', 101, 500, 2],
    ['200%', 4, 20, 8],
    ['999%', 10, 20, 10],
    ['25%', 0, 1, 1],
  ])('%s of %i held, at most %i, is %i', (ready, held, max, wanted) => {
    const plan = planPool(observed(some('held', held)), { ready, max }, now);
    expect([plan.wanted, restored(plan)]).toEqual([wanted, wanted]);
  });

  it('shrinks as claims end', () => {
    const plan = planPool(observed(some('held', 4), some('warm', 3)), { ready: '50%', max: 20 }, now);
    expect(destroyed(plan)).toBe(1);
  });
});

describe('a wish that is taken back', () => {
  const queued = (count: number) => some('queued', count).map((one, index) => ({ ...one, since: now - index }));

  it('takes its restores off the queues, those asked for last first', () => {
    const waiting = queued(5);
    expect(planPool(observed(waiting, some('warm', 1)), { ready: 3, max: 20 }, now).steps).toEqual([
      { kind: 'destroy', ids: waiting.slice(0, 3).map((one) => one.id), why: 'cancelled' },
    ]);
  });

  it('of a pool of size 0 leaves none', () => {
    expect(planPool(observed(queued(5)), { ready: 0, max: 20 }, now).steps).toMatchObject([{ why: 'cancelled', ids: { length: 5 } }]);
  });

  it('cancels before it destroys what is warm', () => {
    const plan = planPool(observed(queued(4), some('warm', 5)), { ready: 4, max: 20 }, now);
    expect(plan.steps).toMatchObject([
      { why: 'cancelled', ids: { length: 4 } },
      { why: 'surplus', ids: { length: 1 } },
    ]);
  });

  it('leaves alone what a change of golden has under way', () => {
    expect(planPool(observed(queued(1), some('warm', 3, old)), { ready: 3, max: 20 }, now).steps).toEqual([]);
    expect(planPool(observed(queued(3), some('warm', 1, old)), { ready: 3, max: 20 }, now).steps).toEqual([]);
  });

  it('is taken off the queues also when there is nothing to restore from any more', () => {
    const gone = { ...observed(queued(2)), target: { missing: 'no golden' } };
    expect(planPool(gone, { ready: 0, max: 9 }, now).steps).toMatchObject([{ why: 'cancelled', ids: { length: 2 } }]);
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
    const nodes = [{ ...roomyNode, failures: failed(1, 0) }];
    expect(destroyed(planPool({ ...observed(some('warm', 3, old)), nodes }, { ready: 3, max: 3 }, now))).toBe(0);
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

describe('a cold start', () => {
  const coldNodes = [{ name: 'n1', memoryFreeBytes: 1000 }];
  const demand = (waiting: number, ...instances: (readonly ObservedInstance[])[]): ObservedPool => ({
    ...observed(...instances),
    waiting,
    cold: { waiting, memoryBytes: 300, nodes: coldNodes },
  });
  const cold = (tier: ObservedInstance['tier'], count: number) => some(tier, count).map((one) => ({ ...one, golden: undefined }));
  const started = (plan: PoolPlan) => plan.steps.reduce((sum, step) => sum + (step.kind === 'start' ? step.count : 0), 0);
  const missing = { missing: 'no golden' };
  const broken = [{ ...roomyNode, failures: failed(3, 0) }];

  it.each<[string, ObservedPool, number]>([
    ['for each claim that waits, where there is no golden', { ...demand(2), target: missing }, 2],
    ['where the golden fails on every node', { ...demand(2), nodes: broken }, 2],
    ['not while a clone can be restored', demand(2), 0],
    ['not while a clone is on its way', { ...demand(2, some('coming', 1)), nodes: broken }, 0],
    ['not again for those on their way', { ...demand(2, cold('coming', 1)), target: missing }, 1],
    ['within the memory of the nodes', { ...demand(9), target: missing }, 3],
    ['within max', { ...demand(2, some('held', 19)), target: missing }, 1],
  ])('comes %s', (_when, pool, count) => expect(started(planPool(pool, { ready: 1, max: 20 }, now))).toBe(count));

  it('that nobody waits for any more is cancelled, and only that', () => {
    const starting = cold('coming', 2).map((one, index) => ({ ...one, since: now + index }));
    const plan = planPool({ ...demand(1, starting), target: missing }, { ready: 5, max: 20 }, now);
    expect(plan.steps).toEqual([{ kind: 'destroy', ids: [starting[1]?.id], why: 'cancelled' }]);
    expect(destroyed(planPool({ ...observed(starting), target: missing }, { ready: 5, max: 20 }, now))).toBe(2);
  });
});

describe('a golden that fails', () => {
  const failing = (count: number, agoMs: number) => ({ ...observed(), nodes: [{ ...roomyNode, failures: failed(count, agoMs) }] });

  it('two failures in a row are put up with', () => {
    expect(restored(planPool(failing(2, 0), { ready: 5, max: 20 }, now))).toBe(5);
  });

  it.each([
    [3, 1],
    [4, 2],
    [5, 4],
    [9, 60],
    [400, 60],
  ])('after %i failures the next try is %i s later, and the reason says so', (count, seconds) => {
    const plan = planPool(failing(count, 0), { ready: 5, max: 20 }, now);
    expect(plan.steps).toEqual([]);
    expect(plan.reason).toBe(`api@7 failed ${count} times in a row, last: restore of ins failed; the next try on n1 is in ${seconds} s`);
    expect(restored(planPool(failing(count, seconds * 1000), { ready: 5, max: 20 }, now))).toBe(1);
  });

  it('one that works again is trusted once a clone has lived for five seconds, and not before', () => {
    const seen = (ms: number, tier: ObservedInstance['tier']) => ({
      ...failing(3, ms + 1),
      instances: some(tier, 1).map((one) => ({ ...one, since: now - ms })),
    });
    const size = { ready: 1, max: 20 };
    expect(planPool(seen(4999, 'warm'), size, now).steps).toEqual([]);
    expect(planPool(seen(5000, 'warm'), size, now).steps).toEqual([{ kind: 'forgive', node: 'n1', golden: current }]);
    expect(planPool(seen(5000, 'coming'), size, now).steps).toEqual([]);
  });

  it('a clone that was warm before the last failure proves nothing', () => {
    const before = { ...failing(3, 6000), instances: some('warm', 1).map((one) => ({ ...one, since: now - 7000 })) };
    expect(planPool(before, { ready: 1, max: 20 }, now).steps).toEqual([]);
  });

  it('one clone at a time tries', () => {
    const trying = { ...failing(3, 5000), instances: some('coming', 1) };
    expect(planPool(trying, { ready: 5, max: 20 }, now)).toMatchObject({ steps: [], reason: expect.stringContaining('being tried') });
  });
});

describe('placement', () => {
  const node = (name: string, memoryFreeBytes: number, refusal?: string): ObservedNode => ({
    ...roomyNode,
    name,
    memoryFreeBytes,
    refusal,
  });

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

  it('no more than 32 restores wait for one node, and a full queue is no reason to complain', () => {
    expect(planPool(observed(some('coming', 2)), { ready: 100, max: 200 }, now)).toEqual({
      steps: [{ kind: 'restore', node: 'n1', golden: current, count: 30 }],
      wanted: 100,
    });
    const two = planPool({ ...observed(), nodes: [node('n1', 1e6), node('n2', 1e6)] }, { ready: 100, max: 200 }, now);
    expect(two.steps).toMatchObject([{ count: 32 }, { count: 32 }]);
  });

  it('a node where the golden fails gets none while another can take them', () => {
    const broken = { ...node('n1', 9000), failures: failed(3, 0) };
    const plan = planPool({ ...observed(), nodes: [broken, node('n2', 500)] }, { ready: 5, max: 20 }, now);
    expect(plan).toEqual({ steps: [{ kind: 'restore', node: 'n2', golden: current, count: 5 }], wanted: 5 });
  });

  it('where the others have no room, the reason names the failure and the room', () => {
    const broken = { ...node('n1', 9000), failures: failed(3, 0) };
    const plan = planPool({ ...observed(), nodes: [broken, node('n2', 100)] }, { ready: 5, max: 20 }, now);
    expect(restored(plan)).toBe(1);
    expect(plan.reason).toMatch(/^no node has room for 4 more of api@7: api@7 failed 3 times .* on n1 is in 1 s; n2 has 0 MB free/);
  });

  it('each node where the golden failed tries one clone when its time has come', () => {
    const rested = (name: string) => ({ ...node(name, 9000), failures: failed(3, 2000) });
    const plan = planPool({ ...observed(), nodes: [rested('n1'), rested('n2')] }, { ready: 5, max: 20 }, now);
    expect(plan.steps).toMatchObject([
      { node: 'n1', count: 1 },
      { node: 'n2', count: 1 },
    ]);
  });

  it('a clone that lives on one node forgives nothing on another', () => {
    const nodes = [roomyNode, { ...node('n2', 9000), failures: failed(3, 6000) }];
    const proof = some('warm', 1).map((one) => ({ ...one, since: now - 5500 }));
    const plan = (where: string) =>
      planPool({ ...observed(proof.map((one) => ({ ...one, node: where }))), nodes }, { ready: 1, max: 9 }, now);
    expect(plan('n1').steps).toEqual([]);
    expect(plan('n2').steps).toEqual([{ kind: 'forgive', node: 'n2', golden: current }]);
  });

  it('without any node the reason says that none has reported', () => {
    expect(planPool({ ...observed(), nodes: [] }, { ready: 1, max: 2 }, now).reason).toContain('no node has reported');
  });
});

function observed(...instances: (readonly ObservedInstance[])[]): ObservedPool {
  const all = instances.flat();
  return { instances: all, held: all.filter((one) => one.tier === 'held').length, waiting: 0, cold: undefined, target, nodes: [roomyNode] };
}

function failed(count: number, agoMs: number): RestoreFailures {
  const problem = { code: 'restore_failed', class: 'golden', message: 'restore of ins failed' } as const;
  return { count, lastAt: now - agoMs, problem };
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
