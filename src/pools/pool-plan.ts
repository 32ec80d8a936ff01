import type { GoldenId, InstanceId } from '#src/platform/ids.ts';

/** All that the planner looks at, read from Redis alone. */
export interface ObservedPool {
  /** Live instances of the pool, those being destroyed left out; of the held ones some. */
  readonly instances: readonly ObservedInstance[];
  /** How many are held by tenants. */
  readonly held: number;
  /** What new clones come from, or why there is nothing to restore from. */
  readonly target: PlanTarget | { readonly missing: string };
  readonly nodes: readonly ObservedNode[];
}

export interface ObservedInstance {
  readonly id: InstanceId;
  readonly golden: GoldenId | undefined;
  readonly node: string;
  readonly tier: 'coming' | 'warm' | 'held';
  /** When it came into its state (ms): the longest-warm go first. */
  readonly since: number;
}

export interface PlanTarget {
  readonly golden: GoldenId;
  /** Memory that one more clone takes on its node. */
  readonly cloneBytes: number;
  /** Failures in a row: restores that failed, and clones that ended soon after. */
  readonly failures: { readonly count: number; readonly lastAt: number; readonly message: string } | undefined;
}

export interface ObservedNode {
  readonly name: string;
  /** Why it takes no clones of the target; undefined when it does. */
  readonly refusal: string | undefined;
  readonly memoryFreeBytes: number;
}

export interface PoolSize {
  readonly ready: number;
  readonly max: number;
}

export type Step =
  | { readonly kind: 'restore'; readonly node: string; readonly golden: GoldenId; readonly count: number }
  | { readonly kind: 'destroy'; readonly ids: readonly InstanceId[]; readonly why: 'outdated' | 'surplus' }
  | { readonly kind: 'forgive'; readonly golden: GoldenId };

export interface PoolPlan {
  readonly steps: readonly Step[];
  /** How many should be warm. */
  readonly wanted: number;
  /** Why the pool is not as wanted, or not on its way there. */
  readonly reason?: string;
}
