import { z } from 'zod';
import { GoldenId } from '#src/platform/ids.ts';
import type { RolloutPolicy } from '#src/pools/rollout-policy.ts';

export const RolloutState = z.enum(['progressing', 'complete', 'failed', 'rolled_back']);
export type RolloutState = z.infer<typeof RolloutState>;

/** A pool's last change from one golden to another. Times in ms since the epoch, by Redis' clock. */
export const Rollout = z.object({
  /** Absent: the pool's first golden, which nothing had to be changed over to. */
  from: GoldenId.exactOptional(),
  to: GoldenId,
  state: RolloutState,
  startedAt: z.coerce.number(),
  deadline: z.coerce.number(),
  /** When a clone of `to` was first seen warm. */
  warmAt: z.coerce.number().exactOptional(),
  /** Since when it is taken to work. */
  provenAt: z.coerce.number().exactOptional(),
  endedAt: z.coerce.number().exactOptional(),
  /** Why it failed or was rolled back, in words. */
  reason: z.string().exactOptional(),
  /** Clones of `to` that could not be restored, or ended soon after, since it began. */
  failed: z.coerce.number().default(0),
});
export type Rollout = z.infer<typeof Rollout>;

/** What of a pool a rollout is judged by. */
export interface RolloutView {
  /** What the pool is filled from now. */
  readonly golden: GoldenId;
  readonly wanted: number;
  /** Idle ones of another golden. */
  readonly outdated: number;
  readonly freshWarm: number;
  /** How long that of `golden` has been as it is that is longest warm, or longest held by a tenant (ms); 0 without one. */
  readonly longestMs: number;
  /** Restores of `golden` that failed in a row on some node. */
  readonly hasFailures: boolean;
  /** Why the planner does not get on. */
  readonly reason: string | undefined;
}

/** What is written of a rollout next; `begin` forgets the one before. */
export type RolloutStep =
  | { readonly kind: 'begin'; readonly from?: GoldenId; readonly to: GoldenId; readonly state: 'complete' | 'progressing' }
  | { readonly kind: 'warm' }
  | { readonly kind: 'proven' }
  | { readonly kind: 'end'; readonly state: 'complete' | 'failed' | 'rolled_back'; readonly reason?: string };

/** It has not come to its end: one that missed its deadline goes on. */
export function isUnderWay({ state }: Pick<Rollout, 'state'>): boolean {
  return state === 'progressing' || state === 'failed';
}

/** A golden whose clones begin to fail so soon after the change was complete is still rolled back. */
const watchedMs = 60_000;

/** The new golden may still be rolled back; `now` in ms. */
export function isWatched(rollout: Rollout, now: number): boolean {
  return isUnderWay(rollout) || (rollout.state === 'complete' && rollout.endedAt !== undefined && now - rollout.endedAt < watchedMs);
}

/** No clone of the new golden has lived long enough yet, or one failed lately. */
export function isSoaking(rollout: Rollout, hasFailures: boolean): boolean {
  return isUnderWay(rollout) && rollout.from !== undefined && (hasFailures || rollout.provenAt === undefined);
}

/** Where tenants take every clone sooner than it could prove itself, and none fails, so many times `soakMs` are proof. */
const soakPatience = 6;

function isProven({ warmAt }: Rollout, { hasFailures, longestMs }: RolloutView, { soakMs }: RolloutPolicy, now: number): boolean {
  if (warmAt === undefined || hasFailures) return false;
  return longestMs >= soakMs || now - warmAt >= soakMs * soakPatience;
}

/** The next step of a pool's rollout, or undefined when there is none to write. Pure. */
export function nextStep(rollout: Rollout | undefined, view: RolloutView, policy: RolloutPolicy, now: number): RolloutStep | undefined {
  const { golden } = view;
  if (rollout === undefined) return { kind: 'begin', to: golden, state: 'complete' };
  const { from, to, state } = rollout;
  const isBack = golden === from && golden !== to;
  if (state === 'complete') return golden === to ? undefined : { kind: 'begin', from: to, to: golden, state: 'progressing' };
  if (state === 'rolled_back') return isBack ? undefined : { kind: 'begin', ...(from && { from }), to: golden, state: 'progressing' };
  if (isBack) return { kind: 'end', state: 'rolled_back', reason: `the pool was pointed back to ${golden}` };
  if (golden !== to) return { kind: 'begin', ...(from && { from }), to: golden, state: 'progressing' };
  if (rollout.warmAt === undefined && view.freshWarm > 0) return { kind: 'warm' };
  if (rollout.provenAt === undefined && isProven(rollout, view, policy, now)) return { kind: 'proven' };
  if (isComplete(rollout, view)) return { kind: 'end', state: 'complete' };
  if (state === 'failed' || now < rollout.deadline) return undefined;
  const why = view.reason ?? `${view.outdated} clones are still of another golden, ${view.freshWarm} of ${view.wanted} are warm`;
  return { kind: 'end', state: 'failed', reason: `the change to ${to} took longer than ${policy.deadlineMs} ms: ${why}` };
}

/** Nothing that a claim could still be given is of another golden, and the new one has shown that it works. */
function isComplete(rollout: Rollout, { outdated, wanted, freshWarm, hasFailures }: RolloutView): boolean {
  return outdated === 0 && (wanted === 0 || (freshWarm > 0 && !isSoaking(rollout, hasFailures)));
}
