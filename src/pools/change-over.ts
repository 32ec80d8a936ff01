import type { RolloutLimit } from './rollout-policy.ts';

/** What a change of golden looks at. Counts are of warm clones and those on their way; what tenants hold lives out its lease. */
export interface ChangeOver {
  readonly wanted: number;
  /** How many idle instances size.max leaves room for. */
  readonly room: number;
  readonly outdated: number;
  /** Of the new golden. */
  readonly fresh: number;
  /** The first of the new golden are watched. */
  readonly isSoaking: boolean;
  /** Some node takes clones of the new golden, and none has failed there. */
  readonly canReplace: boolean;
}

export interface RolloutLimits {
  readonly surge: RolloutLimit;
  /** Absent: 0, or 1 where there is no room for a new clone beside the old ones. */
  readonly maxUnavailable?: RolloutLimit;
}

export const usualLimits: RolloutLimits = { surge: 1 };

export interface ChangeOverBounds {
  /** Idle instances, of all goldens, that may live. */
  readonly most: number;
  /** Down to how many warm ones old ones may go. Where anything is wanted it is never 0: a refresh never empties a pool (law 7). */
  readonly leastWarm: number;
}

/**
 * How far a change of golden may go now. New ones are made before old ones go, within the surge; old ones go without a successor as far as
 * maxUnavailable allows, and only while the new golden works.
 */
export function boundChangeOver(change: ChangeOver, limits: RolloutLimits): ChangeOverBounds {
  const { wanted, room, outdated, fresh, isSoaking, canReplace } = change;
  if (outdated === 0 || wanted === 0) return { most: wanted, leastWarm: wanted };
  const { surge, unavailable } = resolveLimits(limits, wanted, room);
  const most = wanted + surge;
  if (isSoaking && (fresh > 0 || unavailable === 0)) return { most, leastWarm: Math.min(most, Math.max(wanted, room)) };
  if (!canReplace) return { most, leastWarm: wanted };
  return { most, leastWarm: Math.max(1, wanted - (isSoaking ? 1 : unavailable)) };
}

function resolveLimits({ surge, maxUnavailable }: RolloutLimits, wanted: number, room: number): { surge: number; unavailable: number } {
  const most = resolve(surge, wanted, Math.ceil);
  const hasRoom = most > 0 && room > wanted;
  const unavailable = maxUnavailable === undefined ? Number(!hasRoom) : resolve(maxUnavailable, wanted, Math.floor);
  // Shares of few may both come to nothing, and nothing could be replaced.
  return { surge: most === 0 && unavailable === 0 ? 1 : most, unavailable };
}

function resolve(limit: RolloutLimit, wanted: number, round: (count: number) => number): number {
  return typeof limit === 'number' ? limit : round((Number.parseInt(limit, 10) * wanted) / 100);
}
