import type { ObservedPool, PlanTarget, Step } from './pool-plan.ts';

/** Failures in a row that are put up with before the breaker opens. */
const patience = 3;
const firstPauseMs = 1000;
const longestPauseMs = 60_000;
/** A clone that lives this long shows that its golden works; one that was merely restored may be about to end. */
const provenAfterMs = 5000;

export interface Allowance {
  /** How many more restores of the golden may be started now. */
  readonly count: number;
  readonly reason?: string;
}

/**
 * The breaker of a golden: after three failures in a row it pauses, from one second doubling to one minute, then lets a
 * single clone try. A failing golden so stops its own refill instead of burning the node (law 9).
 */
export function restoreAllowance({ golden, failures }: PlanTarget, coming: number, now: number): Allowance {
  if (failures === undefined || failures.count < patience) return { count: Number.POSITIVE_INFINITY };
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures.count - patience));
  const waitMs = failures.lastAt + pauseMs - now;
  const story = `${golden} failed ${failures.count} times in a row, last: ${failures.message}`;
  if (waitMs > 0) return { count: 0, reason: `${story}; the next try is in ${Math.ceil(waitMs / 1000)} s` };
  return { count: coming > 0 ? 0 : 1, reason: `${story}; one clone is being tried` };
}

/** The failures of a golden are forgotten once a clone that came after the last of them has proven itself. */
export function forgiveness({ instances }: ObservedPool, { golden, failures }: PlanTarget, now: number): Step[] {
  if (failures === undefined) return [];
  const isProof = (since: number) => since > failures.lastAt && now - since >= provenAfterMs;
  const hasProof = instances.some((one) => one.tier !== 'coming' && one.golden === golden && isProof(one.since));
  return hasProof ? [{ kind: 'forgive', golden }] : [];
}
