import { describe, expect, it } from 'vitest';
import { goldenId, InstanceId } from '#src/platform/ids.ts';
import type { RolloutLimits } from '#src/pools/change-over.ts';
import { planPool } from '#src/pools/plan-pool.ts';
import { isOnItsWay, type ObservedInstance, type ObservedPool, type PoolPlan } from '#src/pools/pool-plan.ts';
import { createRandom, type Random } from '#test/property/random.ts';

const [old, current] = [goldenId('api', 6), goldenId('api', 7)];

/** A pool that is planned again and again, whose restores end and whose clones are claimed, lost and released by chance. */
class SimulatedPool {
  instances: ObservedInstance[] = [];
  failures = false;
  now = 0;
  #made = 0;
  readonly size: { ready: number; max: number; rollout: RolloutLimits };

  constructor(size: SimulatedPool['size']) {
    this.size = size;
  }

  add(tier: ObservedInstance['tier'], golden: ObservedInstance['golden'], count = 1): void {
    for (let i = 0; i < count; i++) {
      const id = InstanceId.parse(`ins-${String(this.#made++).padStart(16, '0')}`);
      this.instances.push({ id, golden, node: 'n1', tier, since: this.now });
    }
  }

  count(tier: ObservedInstance['tier'], golden?: ObservedInstance['golden']): number {
    return this.instances.filter((one) => one.tier === tier && (golden === undefined || one.golden === golden)).length;
  }

  get outdated(): number {
    return this.instances.filter((one) => one.tier !== 'held' && one.golden !== current).length;
  }

  plan(isSoaking: boolean): PoolPlan {
    const problem = { code: 'restore_failed', class: 'golden', message: 'no' } as const;
    const failures = this.failures ? { count: 1, lastAt: this.now, problem } : undefined;
    const node = { name: 'n1', refusal: undefined, memoryFreeBytes: 2 ** 40, failures };
    const observed: ObservedPool = {
      instances: this.instances,
      held: this.count('held'),
      waiting: 0,
      cold: undefined,
      target: { golden: current, cloneBytes: 1 },
      nodes: [node],
      isSoaking,
      previous: { target: { golden: old, cloneBytes: 1 }, nodes: [{ ...node, failures: undefined }] },
    };
    return planPool(observed, this.size, this.now);
  }

  carryOut(plan: PoolPlan): void {
    this.now++;
    for (const step of plan.steps) {
      if (step.kind === 'destroy') this.instances = this.instances.filter((one) => !step.ids.includes(one.id));
      if (step.kind === 'restore') this.add('queued', step.golden, step.count);
    }
  }

  move(from: ObservedInstance['tier'], to: ObservedInstance['tier'] | 'gone'): void {
    const [first] = this.instances.filter((one) => one.tier === from).toSorted((a, b) => a.since - b.since);
    if (first === undefined) return;
    this.instances = this.instances.filter((one) => one !== first);
    if (to !== 'gone') this.instances.push({ ...first, tier: to, since: this.now });
  }

  /** Something that no plan decides. */
  happen(random: Random): void {
    this.failures = random.chance(0.2);
    for (let i = random.below(4); i > 0; i--) {
      const [from, to] = random.pick([
        ['queued', 'coming'],
        ['coming', 'warm'],
        ['queued', 'warm'],
        ['coming', 'gone'],
        ['warm', 'held'],
        ['held', 'gone'],
        ['warm', 'gone'],
      ] as const);
      this.move(from, to);
    }
  }
}

function randomPool(random: Random): SimulatedPool {
  const ready = random.below(8);
  const max = Math.max(1, ready + random.pick([0, 0, 1, 2, 10]));
  const share = () => random.pick([0, 1, 2, 5, '0%', '25%', '50%', '100%']);
  const surge = share();
  const maxUnavailable = random.chance(0.5) ? share() : undefined;
  const pool = new SimulatedPool({ ready, max, rollout: { surge, ...(maxUnavailable === undefined ? {} : { maxUnavailable }) } });
  const held = random.below(max - ready + 1);
  pool.add('held', old, held);
  pool.add('warm', old, random.below(ready + 1));
  pool.add('queued', old, random.below(Math.max(1, ready - pool.count('warm') + 1)));
  return pool;
}

function unavailableOf({ size: { ready, max, rollout } }: SimulatedPool, wanted: number, held: number): number {
  const { maxUnavailable, surge } = rollout;
  const surges = typeof surge === 'number' ? surge : Math.ceil((Number.parseInt(surge, 10) * wanted) / 100);
  if (maxUnavailable === undefined) return surges > 0 && max - held > wanted ? 0 : 1;
  return typeof maxUnavailable === 'number'
    ? maxUnavailable
    : Math.floor((Number.parseInt(maxUnavailable, 10) * Math.max(wanted, ready)) / 100);
}

const seeds = Array.from({ length: 400 }, (_, seed) => seed + 1);

describe('a change of golden, whatever happens meanwhile', () => {
  it('never leaves fewer warm than are kept ready less maxUnavailable, nor none, nor more than max', () => {
    for (const seed of seeds) {
      const random = createRandom(seed);
      const pool = randomPool(random);
      for (let round = 0; round < 60; round++) {
        const plan = pool.plan(random.chance(0.3));
        const [warm, held] = [pool.count('warm'), pool.count('held')];
        pool.carryOut(plan);
        const least = plan.wanted === 0 ? 0 : Math.max(1, plan.wanted - unavailableOf(pool, plan.wanted, held));
        expect(pool.count('warm'), `seed ${seed}, round ${round}`).toBeGreaterThanOrEqual(Math.min(warm, least));
        expect(pool.instances.length, `seed ${seed}, round ${round}`).toBeLessThanOrEqual(pool.size.max);
        pool.happen(random);
      }
    }
  });

  it('ends, all of the new golden, or waits and says that there is no room', () => {
    let changed = 0;
    for (const seed of seeds) {
      const random = createRandom(seed);
      const pool = randomPool(random);
      for (let round = 0; round < 10; round++) {
        pool.carryOut(pool.plan(random.chance(0.5)));
        pool.happen(random);
      }
      pool.failures = false;
      let plan = pool.plan(false);
      for (let round = 0; round < 100; round++) {
        pool.carryOut(plan);
        while (pool.instances.some(isOnItsWay)) for (const tier of ['coming', 'queued'] as const) pool.move(tier, 'warm');
        plan = pool.plan(false);
      }
      expect(plan.steps, `seed ${seed}`).toEqual([]);
      expect(pool.count('warm'), `seed ${seed}`).toBe(plan.wanted);
      if (pool.outdated > 0) expect(plan.reason, `seed ${seed}`).toContain('the change to api@7 waits: size.max');
      else changed++;
    }
    expect(changed).toBeGreaterThan(seeds.length / 2);
  });

  it('while the first new clones are watched no old one goes for them', () => {
    for (const seed of seeds) {
      const random = createRandom(seed);
      const ready = 1 + random.below(6);
      const pool = new SimulatedPool({ ready, max: ready + 10, rollout: { surge: random.pick([1, 2, '50%']) } });
      pool.add('warm', old, ready);
      for (let round = 0; round < 20; round++) {
        pool.carryOut(pool.plan(true));
        expect(pool.count('warm', old), `seed ${seed}`).toBe(ready);
        pool.move('queued', 'warm');
      }
      expect(pool.count('warm', current)).toBeGreaterThan(0);
    }
  });
});

describe('the limits of a change', () => {
  const planned = (rollout: RolloutLimits, ready: number, max: number) => {
    const pool = new SimulatedPool({ ready, max, rollout });
    pool.add('warm', old, ready);
    const { steps, reason } = pool.plan(false);
    const restored = steps.reduce((sum, step) => sum + (step.kind === 'restore' ? step.count : 0), 0);
    const destroyed = steps.reduce((sum, step) => sum + (step.kind === 'destroy' ? step.ids.length : 0), 0);
    return { restored, destroyed, ...(reason === undefined ? {} : { reason }) };
  };

  it.each([
    [{ surge: 1 }, 4, 20, { restored: 1, destroyed: 0 }],
    [{ surge: 3 }, 4, 20, { restored: 3, destroyed: 0 }],
    [{ surge: 9 }, 4, 20, { restored: 4, destroyed: 0 }],
    [{ surge: '50%' }, 5, 20, { restored: 3, destroyed: 0 }],
    [{ surge: 1, maxUnavailable: 2 }, 4, 20, { restored: 1, destroyed: 2 }],
    [{ surge: 0, maxUnavailable: '50%' }, 5, 20, { restored: 0, destroyed: 2 }],
    [{ surge: 0, maxUnavailable: '100%' }, 5, 20, { restored: 0, destroyed: 4 }],
    [{ surge: '0%', maxUnavailable: '25%' }, 3, 20, { restored: 1, destroyed: 0 }],
    [{ surge: 1 }, 4, 4, { restored: 0, destroyed: 1 }],
    [{ surge: 1 }, 1, 1, { restored: 0, destroyed: 0, reason: expect.stringContaining('beside the last warm one; raise size.max') }],
    [{ surge: 1, maxUnavailable: 0 }, 4, 4, { restored: 0, destroyed: 0, reason: expect.stringContaining('or rollout.maxUnavailable') }],
  ])('%j of %i ready, at most %i', (rollout, ready, max, expected) => {
    expect(planned(rollout, ready, max)).toEqual(expected);
  });
});
