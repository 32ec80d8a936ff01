import { forgiveness } from './breaker.ts';
import { boundChangeOver, type ChangeOverBounds, usualLimits } from './change-over.ts';
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

/**
 * What to do so that a pool becomes as wanted. Pure: the same observation gives the same plan. Steps may be carried out
 * once; what is under way is observed as on its way and not planned again.
 */
export function planPool(all: ObservedPool, size: PoolSize, now: number): PoolPlan {
  const abandoned = new Set(abandonedStarts(all));
  const observed = { ...all, instances: all.instances.filter((one) => !abandoned.has(one)) };
  const count = census(observed);
  const ready = readyCount(size.ready, count.held) + observed.waiting;
  const wanted = Math.max(0, Math.min(ready, size.max - count.held));
  const bounds = boundIdle(observed, count, wanted, size);
  const cancels = cancel([...abandoned, ...surplusQueued(observed, count, wanted, bounds)]);
  if ('missing' in observed.target) {
    const steps = [...cancels, ...planColdStarts(observed, size.max), ...destroyWarm(observed, count.warm - wanted, 'surplus')];
    return { steps, wanted, ...(count.idle < wanted ? { reason: observed.target.missing } : {}) };
  }
  const restores = planRestores(observed, observed.target, { count, wanted, max: size.max, bounds }, now);
  const starts = restores.steps.length > 0 ? [] : planColdStarts(observed, size.max);
  const destroys = planDestroys(observed, observed.target, count, wanted, size, bounds);
  const cramped = wanted < ready ? `size.max ${size.max} is reached: ${count.held} are claimed` : undefined;
  const reason = restores.reason ?? destroys.reason ?? cramped;
  const steps = [
    ...planBuilds(observed.nodes, observed.target),
    ...forgiveness(observed, observed.target, now),
    ...cancels,
    ...restores.steps,
    ...starts,
    ...destroys.steps,
  ];
  return { steps, wanted, ...(reason === undefined ? {} : { reason }) };
}

/** Also for a pool that others fill: each node that may have to is made able to. */
function planBuilds(nodes: ObservedPool['nodes'], { golden }: PlanTarget): Step[] {
  return nodes.flatMap((node): Step[] => (node.wantsBuild ? [{ kind: 'build', node: node.name, golden }] : []));
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

function boundIdle({ nodes, isSoaking = false }: ObservedPool, count: Census, wanted: number, size: PoolSize): ChangeOverBounds {
  const canReplace = nodes.some((node) => node.refusal === undefined && node.failures === undefined);
  const change = { wanted, room: size.max - count.held, outdated: count.outdated, fresh: count.freshWarm + count.freshComing };
  return boundChangeOver({ ...change, isSoaking, canReplace }, size.rollout ?? usualLimits);
}

interface Need {
  readonly count: Census;
  readonly wanted: number;
  readonly max: number;
  readonly bounds: ChangeOverBounds;
}

/**
 * Clones to add: what is missing, and during a change of golden the surge, within the pool's maximum. While the first of the new golden are
 * watched they alone are made of it, and what tenants take meanwhile is made up from the golden before: should the new one prove bad, the
 * pool is not left with it.
 */
function planRestores(observed: ObservedPool, target: PlanTarget, { count, wanted, max, bounds }: Need, now: number): Part {
  const fresh = count.freshWarm + count.freshComing;
  const room = Math.max(0, Math.min(bounds.most, max - count.held) - count.idle);
  const { previous, isSoaking } = observed;
  if (!isSoaking || previous === undefined) return placeClones(observed, target, Math.min(wanted - fresh, room), now);
  const watched = Math.max(0, Math.min(room, wanted, Math.max(1, bounds.most - wanted) - fresh));
  const first = placeClones(observed, target, watched, now);
  const rest = placeClones({ ...observed, nodes: previous.nodes }, previous.target, Math.min(wanted - count.outdated, room - watched), now);
  return { steps: [...first.steps, ...rest.steps], reason: first.reason ?? rest.reason };
}

/**
 * A wish that was taken back is taken off the queues: restores that wait, and of those under way what the queues do not yield, the one
 * asked for last first. What is restored already goes on.
 */
function surplusQueued(observed: ObservedPool, count: Census, wanted: number, { most }: ChangeOverBounds): ObservedInstance[] {
  const surplus = Math.min(count.warm, wanted) + count.coming - most;
  const lastFirst = observed.instances.filter((one) => one.tier === 'queued').toSorted((a, b) => b.since - a.since);
  return lastFirst.slice(0, Math.max(0, surplus));
}

function cancel(some: readonly ObservedInstance[]): Step[] {
  return some.length === 0 ? [] : [{ kind: 'destroy', ids: some.map((one) => one.id), why: 'cancelled' }];
}

/**
 * Old clones go as new ones are warm, as far as the bounds of the change allow; where none can go first and there is no room for a new one
 * beside them, the reason says so.
 */
function planDestroys(
  observed: ObservedPool,
  target: PlanTarget,
  count: Census,
  wanted: number,
  { max, rollout }: PoolSize,
  { leastWarm }: ChangeOverBounds,
): Part {
  if (count.outdatedWarm === 0) return { steps: destroyWarm(observed, count.warm - wanted, 'surplus') };
  const isOutdated = (one: ObservedInstance) => one.golden !== target.golden;
  const old = destroyWarm(observed, Math.min(count.warm - leastWarm, count.outdatedWarm), 'outdated', isOutdated);
  const surplus = destroyWarm(observed, count.freshWarm - wanted, 'surplus', (one) => !isOutdated(one));
  const isFull = count.held + count.idle >= max && count.freshComing === 0 && count.freshWarm < wanted;
  if (old.length > 0 || !isFull || leastWarm > wanted) return { steps: [...old, ...surplus] };
  const waits = (why: string, fix: string) =>
    `the change to ${target.golden} waits: size.max ${max} leaves no room for a new clone beside ${why}; raise ${fix}`;
  if (count.warm <= 1) return { steps: surplus, reason: waits('the last warm one', 'size.max') };
  if (rollout?.maxUnavailable === undefined) return { steps: surplus };
  return { steps: surplus, reason: waits('the old ones', 'size.max or rollout.maxUnavailable') };
}

function destroyWarm(observed: ObservedPool, count: number, why: 'outdated' | 'surplus', only = (_one: ObservedInstance) => true): Step[] {
  if (count <= 0) return [];
  const oldestFirst = observed.instances.filter((one) => one.tier === 'warm' && only(one)).toSorted((a, b) => a.since - b.since);
  const ids = oldestFirst.slice(0, count).map((one) => one.id);
  return ids.length === 0 ? [] : [{ kind: 'destroy', ids, why }];
}
