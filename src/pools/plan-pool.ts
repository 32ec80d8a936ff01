import { forgiveness } from './breaker.ts';
import { placeClones } from './place-clones.ts';
import { abandonedStarts, planColdStarts } from './plan-cold-starts.ts';
import {
  isOnItsWay,
  type ObservedInstance,
  type ObservedPool,
  type PlanTarget,
  type PoolPlan,
  type PoolSize,
  type Step,
} from './pool-plan.ts';

/** During a change of golden, how many clones beyond `wanted` may live. */
const surge = 1;

/**
 * What to do so that a pool becomes as wanted. Pure: the same observation gives the same plan. Steps may be carried out
 * once; what is under way is observed as `coming` and not planned again.
 */
export function planPool(all: ObservedPool, size: PoolSize, now: number): PoolPlan {
  const abandoned = new Set(abandonedStarts(all));
  const observed = { ...all, instances: all.instances.filter((one) => !abandoned.has(one)) };
  const count = census(observed);
  const ready = readyCount(size.ready, count.held) + observed.waiting;
  const wanted = Math.max(0, Math.min(ready, size.max - count.held));
  const cancels = cancel([...abandoned, ...surplusQueued(observed, count, wanted)]);
  if ('missing' in observed.target) {
    const steps = [...cancels, ...planColdStarts(observed, size.max), ...destroyWarm(observed, count.warm - wanted, 'surplus')];
    return { steps, wanted, ...(count.idle < wanted ? { reason: observed.target.missing } : {}) };
  }
  const restores = placeClones(observed, observed.target, restoresNeeded(count, wanted, size.max), now);
  const starts = restores.steps.length > 0 ? [] : planColdStarts(observed, size.max);
  const destroys = planDestroys(observed, observed.target, count, wanted, size.max);
  const cramped = wanted < ready ? `size.max ${size.max} is reached: ${count.held} are claimed` : undefined;
  const reason = restores.reason ?? destroys.reason ?? cramped;
  const steps = [...forgiveness(observed, observed.target, now), ...cancels, ...restores.steps, ...starts, ...destroys.steps];
  return { steps, wanted, ...(reason === undefined ? {} : { reason }) };
}

/**
 * How many should be ready: a number as it is; a share of those that tenants hold, rounded up and never below one, so that a pool
 * nobody uses has one to hand out.
 */
function readyCount(ready: PoolSize['ready'], held: number): number {
  return typeof ready === 'number' ? ready : Math.max(1, Math.ceil((Number.parseInt(ready, 10) * held) / 100));
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
  readonly coming: number;
  readonly freshComing: number;
  /** Warm or coming from another golden. */
  readonly outdated: number;
  readonly outdatedWarm: number;
  /** Warm and coming of all goldens. */
  readonly idle: number;
}

function census({ instances, held, target }: ObservedPool): Census {
  const golden = 'missing' in target ? undefined : target.golden;
  const outdatedOf = (some: readonly ObservedInstance[]) => (golden === undefined ? 0 : some.filter((one) => one.golden !== golden).length);
  const warm = instances.filter((one) => one.tier === 'warm');
  const coming = instances.filter(isOnItsWay);
  const outdatedWarm = outdatedOf(warm);
  const outdatedComing = outdatedOf(coming);
  return {
    held,
    warm: warm.length,
    freshWarm: warm.length - outdatedWarm,
    coming: coming.length,
    freshComing: coming.length - outdatedComing,
    outdated: outdatedWarm + outdatedComing,
    outdatedWarm,
    idle: warm.length + coming.length,
  };
}

/** Clones to add: what is missing, and during a change of golden the surge, within the pool's maximum. */
function restoresNeeded(count: Census, wanted: number, max: number): number {
  const room = Math.max(0, max - count.held - count.idle);
  const notYetFresh = wanted - count.freshWarm - count.freshComing;
  return Math.max(0, Math.min(idleCeiling(count, wanted) - count.idle, notYetFresh, room));
}

function idleCeiling({ outdated }: Census, wanted: number): number {
  return outdated > 0 && wanted > 0 ? wanted + surge : wanted;
}

/**
 * A wish that was taken back is taken off the queues: restores that wait, and of those under way what the queues do not yield, the one
 * asked for last first. What is restored already goes on.
 */
function surplusQueued(observed: ObservedPool, count: Census, wanted: number): ObservedInstance[] {
  const surplus = Math.min(count.warm, wanted) + count.coming - idleCeiling(count, wanted);
  const lastFirst = observed.instances.filter((one) => one.tier === 'queued').toSorted((a, b) => b.since - a.since);
  return lastFirst.slice(0, Math.max(0, surplus));
}

function cancel(some: readonly ObservedInstance[]): Step[] {
  return some.length === 0 ? [] : [{ kind: 'destroy', ids: some.map((one) => one.id), why: 'cancelled' }];
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
  const canReplace = observed.nodes.some((node) => node.refusal === undefined && node.failures === undefined);
  if (!isFull || !canReplace) return { steps: [] };
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
