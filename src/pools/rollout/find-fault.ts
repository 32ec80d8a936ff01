import { medianRestoreMs } from '#src/goldens/restore-times.ts';
import { getGolden } from '#src/goldens/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import type { Failure } from '#src/platform/failure.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { openBreaker } from '#src/pools/breaker.ts';
import type { ObservedPool } from '#src/pools/pool-plan.ts';
import type { RolloutPolicy } from '#src/pools/rollout-policy.ts';

/** What is slower by less is not worth a change back, whatever the factor. */
const worthMs = 100;

/** The goldens of a change of which one is to be judged. */
export interface Change {
  readonly from: GoldenId;
  readonly to: GoldenId;
}

/**
 * Why the new golden should not be kept: every node that could take its clones rests from it, it was found corrupt, or it is restored
 * markedly slower than the old one was. What a node or Thaw itself is to blame for is no reason.
 */
export async function findFault(
  redis: Redis,
  { from, to }: Change,
  observed: ObservedPool,
  { maxRestoreFactor }: Pick<RolloutPolicy, 'maxRestoreFactor'>,
): Promise<Failure | undefined> {
  if ('missing' in observed.target) {
    const golden = await getGolden(redis, to);
    return golden?.state === 'failed' ? golden.problem : undefined;
  }
  if (observed.target.golden !== to) return undefined;
  const failing = failureEverywhere(observed);
  if (failing) return failing;
  const [beforeMs, nowMs] = await Promise.all([medianRestoreMs(redis, from), medianRestoreMs(redis, to)]);
  if (beforeMs === undefined || nowMs === undefined) return undefined;
  if (nowMs < beforeMs * maxRestoreFactor || nowMs - beforeMs < worthMs) return undefined;
  const message = `restores of ${to} take ${nowMs} ms, those of ${from} took ${beforeMs} ms; the limit is ${maxRestoreFactor} times that`;
  return describeFailure(
    new ThawError('restore_slow', message, { fix: "Capture a new golden, or raise the pool's rollout.maxRestoreFactor." }),
  );
}

function failureEverywhere({ nodes }: ObservedPool): Failure | undefined {
  const usable = nodes.filter((node) => node.refusal === undefined);
  const problems = usable.flatMap((node) => openBreaker(node.failures)?.failures.problem ?? []);
  const isToBlame = ({ class: kind }: Failure) => kind === 'golden' || kind === 'template';
  return problems.length === usable.length && problems.every(isToBlame) ? problems[0] : undefined;
}
