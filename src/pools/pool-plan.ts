import type { RestoreFailures } from '#src/goldens/failures.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import type { RolloutLimits } from './change-over.ts';

/** All that the planner looks at, read from Redis alone. */
export interface ObservedPool {
  /** Live instances of the pool, those being destroyed left out; of the held ones some. */
  readonly instances: readonly ObservedInstance[];
  /** How many are held by tenants. */
  readonly held: number;
  /** Claims in the waiting line: each wants an instance beside those kept ready. */
  readonly waiting: number;
  /** What new clones come from, or why there is nothing to restore from. */
  readonly target: PlanTarget | { readonly missing: string };
  readonly nodes: readonly ObservedNode[];
  /** Claims that wait and would take a cold start, where the template allows it; undefined when there are none. */
  readonly cold: ColdDemand | undefined;
  /** A change of golden has begun, and its first clones are watched: nothing old goes for them yet. */
  readonly isSoaking?: boolean;
  /** While they are watched: the golden before, of which go on being made what the pool lacks. Absent where none can be. */
  readonly previous?: ObservedGolden | undefined;
}

/** A golden, and who takes clones of it. */
export interface ObservedGolden {
  readonly target: PlanTarget;
  readonly nodes: readonly ObservedNode[];
}

export interface ColdDemand {
  readonly waiting: number;
  /** The template's limit. */
  readonly memoryBytes: number;
  /** Those that can take one. */
  readonly nodes: readonly Pick<ObservedNode, 'name' | 'memoryFreeBytes'>[];
}

export interface ObservedInstance {
  readonly id: InstanceId;
  readonly golden: GoldenId | undefined;
  readonly node: string;
  /** `queued`: recorded, its restore waits or is under way; `coming`: restored, not ready yet. */
  readonly tier: 'queued' | 'coming' | 'warm' | 'held';
  /** When it came into its state (ms): the longest-warm go first. */
  readonly since: number;
}

export interface PlanTarget {
  readonly golden: GoldenId;
  /** Memory that one more clone takes on its node. */
  readonly cloneBytes: number;
}

export interface ObservedNode {
  readonly name: string;
  /** Why it takes no clones of the target; undefined when it does. */
  readonly refusal: string | undefined;
  readonly memoryFreeBytes: number;
  /** No build of the target can be restored there, and one should be captured. */
  readonly wantsBuild?: boolean;
  /** Of the target on this node, in a row: restores that failed, and clones that ended soon after. */
  readonly failures: RestoreFailures | undefined;
}

export interface PoolSize {
  /** How many, or a share of the held ones such as `25%`. */
  readonly ready: number | string;
  readonly max: number;
  /** Absent: usualLimits. */
  readonly rollout?: RolloutLimits;
}

export type Step =
  | { readonly kind: 'restore'; readonly node: string; readonly golden: GoldenId; readonly count: number }
  | { readonly kind: 'start'; readonly node: string; readonly count: number }
  | { readonly kind: 'destroy'; readonly ids: readonly InstanceId[]; readonly why: 'outdated' | 'surplus' | 'cancelled' }
  | { readonly kind: 'build'; readonly node: string; readonly golden: GoldenId }
  | { readonly kind: 'forgive'; readonly node: string; readonly golden: GoldenId };

export interface PoolPlan {
  readonly steps: readonly Step[];
  /** How many should be warm. */
  readonly wanted: number;
  /** Why the pool is not as wanted, or not on its way there. */
  readonly reason?: string;
}

export function isOnItsWay({ tier }: ObservedInstance): boolean {
  return tier === 'queued' || tier === 'coming';
}
