import { placeClones } from './place-clones.ts';
import type { ObservedInstance, ObservedPool, PlanTarget, PoolPlan, PoolSize, Step } from './pool-plan.ts';
import { forgiveness, restoreAllowance } from './restore-allowance.ts';

/** Restores of a pool that may be queued: what is queued is carried out, also when the wish was a slip that is taken back. */
const comingMax = 32;

/** During a change of golden, how many clones beyond `wanted` may live. */
const surge = 1;

/**
 * What to do so that a pool becomes as wanted. Pure: the same observation gives the same plan. Steps may be carried out
 * once; what is under way is observed as `coming` and not planned again.
 */
export function planPool(observed: ObservedPool, size: PoolSize, now: number): PoolPlan {
  const count = census(observed);
  const wanted = Math.max(0, Math.min(size.ready, size.max - count.held));
  if ('missing' in observed.target) {
    const steps = destroyWarm(observed, count.warm - wanted, 'surplus');
    return { steps, wanted, ...(count.idle < wanted ? { reason: observed.target.missing } : {}) };
  }
  const restores = planRestores(observed, observed.target, restoresNeeded(count, wanted, size.max), now);
  const destroys = planDestroys(observed, observed.target, count, wanted, size.max);
  const cramped = wanted < size.ready ? `size.max ${size.max} is reached: ${count.held} are claimed` : undefined;
  const reason = restores.reason ?? destroys.reason ?? cramped;
  const steps = [...forgiveness(observed, observed.target, now), ...restores.steps, ...destroys.steps];
  return { steps, wanted, ...(reason === undefined ? {} : { reason }) };
}

interface Part {
  readonly steps: readonly Step[];
  readonly reason?: string | undefined;
}

interface Census {
  readonly held: number;
  readonly warm: number;
  /** Of the target golden. */
  readonly freshWarm: number;
  readonly freshComing: number;
  /** Warm or coming from another golden. */
  readonly outdated: number;
  readonly outdatedWarm: number;
  /** Warm and coming of all goldens. */
  readonly idle: number;
}

function census({ instances, held, target }: ObservedPool): Census {
  const golden = 'missing' in target ? undefined : target.golden;
  const of = (tier: ObservedInstance['tier'], fresh?: boolean) =>
    instances.filter((one) => one.tier === tier && (fresh === undefined || (golden === undefined || one.golden === golden) === fresh))
      .length;
  const warm = of('warm');
  const coming = of('coming');
  const outdatedWarm = of('warm', false);
  return {
    held,
    warm,
    freshWarm: warm - outdatedWarm,
    freshComing: of('coming', true),
    outdated: outdatedWarm + of('coming', false),
    outdatedWarm,
    idle: warm + coming,
  };
}

/** Clones to add: what is missing, and during a change of golden the surge, within the pool's maximum. */
function restoresNeeded(count: Census, wanted: number, max: number): number {
  const room = Math.max(0, max - count.held - count.idle);
  const ceiling = count.outdated > 0 && wanted > 0 ? wanted + surge : wanted;
  const notYetFresh = wanted - count.freshWarm - count.freshComing;
  return Math.max(0, Math.min(ceiling - count.idle, notYetFresh, room));
}

function planRestores(observed: ObservedPool, target: PlanTarget, needed: number, now: number): Part {
  if (needed === 0) return { steps: [] };
  const coming = observed.instances.filter((one) => one.tier === 'coming' && one.golden === target.golden).length;
  const allowance = restoreAllowance(target, coming, now);
  const placed = placeClones(observed, target, Math.min(needed, allowance.count, Math.max(0, comingMax - coming)));
  return { steps: placed.steps, reason: allowance.reason ?? placed.reason };
}

/**
 * Old clones go as new ones are warm, so that the pool never holds fewer warm ones than wanted (law 7). Where the maximum
 * leaves no room for a new clone beside the old ones, one old clone goes first, but never the last warm one.
 */
function planDestroys(observed: ObservedPool, target: PlanTarget, count: Census, wanted: number, max: number): Part {
  const surplus = count.warm - wanted;
  if (count.outdatedWarm === 0) return { steps: destroyWarm(observed, surplus, 'surplus') };
  const isOutdated = (one: ObservedInstance) => one.golden !== target.golden;
  if (surplus > 0) {
    const old = destroyWarm(observed, Math.min(surplus, count.outdatedWarm), 'outdated', isOutdated);
    return { steps: [...old, ...destroyWarm(observed, surplus - count.outdatedWarm, 'surplus', (one) => !isOutdated(one))] };
  }
  const isFull = count.held + count.idle >= max && count.freshComing === 0 && count.freshWarm < wanted;
  if (!isFull || target.failures) return { steps: [] };
  if (count.warm >= 2) return { steps: destroyWarm(observed, 1, 'outdated', isOutdated) };
  const reason = `the change to ${target.golden} waits: size.max ${max} leaves no room for a new clone beside the last warm one; raise size.max`;
  return { steps: [], reason };
}

function destroyWarm(observed: ObservedPool, count: number, why: 'outdated' | 'surplus', only = (_one: ObservedInstance) => true): Step[] {
  if (count <= 0) return [];
  const oldestFirst = observed.instances.filter((one) => one.tier === 'warm' && only(one)).toSorted((a, b) => a.since - b.since);
  const ids = oldestFirst.slice(0, count).map((one) => one.id);
  return ids.length === 0 ? [] : [{ kind: 'destroy', ids, why }];
}
