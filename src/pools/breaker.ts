import { breakerPatience, type RestoreFailures } from '#src/goldens/failures.ts';
import { isOnItsWay, type ObservedPool, type PlanTarget, type Step } from './pool-plan.ts';

const firstPauseMs = 1000;
const longestPauseMs = 60_000;
/** A clone that lives this long shows that its golden works; one that was merely restored may be about to end. */
const provenAfterMs = 5000;

/** The breaker of a golden on one node, while it is open. */
export interface OpenBreaker {
  readonly failures: RestoreFailures;
  /** When a single clone is tried again (ms). */
  readonly nextTryAt: number;
}

/**
 * After three failures in a row a node rests from the golden, from one second doubling to one minute, then a single clone is tried. A failing
 * golden so stops its own refill instead of burning the node (law 9); where it works on other nodes, those refill the pool.
 */
export function openBreaker(failures: RestoreFailures | undefined): OpenBreaker | undefined {
  if (failures === undefined || failures.count < breakerPatience) return undefined;
  const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures.count - breakerPatience));
  return { failures, nextTryAt: failures.lastAt + pauseMs };
}

/** How many more restores a node may begin, given how many of the golden are on their way to it. */
export function breakerAllowance(breaker: OpenBreaker | undefined, coming: number, now: number): number {
  if (breaker === undefined) return Number.POSITIVE_INFINITY;
  return breaker.nextTryAt > now || coming > 0 ? 0 : 1;
}

export function tellBreaker({ failures, nextTryAt }: OpenBreaker, golden: string, node: string, now: number): string {
  const waitMs = nextTryAt - now;
  const next = waitMs > 0 ? `the next try on ${node} is in ${Math.ceil(waitMs / 1000)} s` : `one clone is being tried on ${node}`;
  return `${golden} failed ${failures.count} times in a row, last: ${failures.problem.message}; ${next}`;
}

/** The failures of a golden on a node are forgotten once a clone that came after the last of them has proven itself there. */
export function forgiveness({ instances, nodes }: ObservedPool, { golden }: PlanTarget, now: number): Step[] {
  return nodes.flatMap(({ name, failures }): Step[] => {
    if (failures === undefined) return [];
    const isProof = (since: number) => since > failures.lastAt && now - since >= provenAfterMs;
    const hasProof = instances.some((one) => one.node === name && !isOnItsWay(one) && one.golden === golden && isProof(one.since));
    return hasProof ? [{ kind: 'forgive', node: name, golden }] : [];
  });
}
