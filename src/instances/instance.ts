import { z } from 'zod';
import { Failure } from '#src/platform/failure.ts';
import { ClaimId, GoldenId, InstanceId } from '#src/platform/ids.ts';

export const InstanceState = z.enum([
  'starting',
  'priming',
  'restoring',
  'preparing',
  'warm',
  'claimed',
  'suspended',
  'releasing',
  'destroyed',
  'failed',
]);
export type InstanceState = z.infer<typeof InstanceState>;

/** The states an instance can go to. Nothing leads from a tenant's hands back to warm (law 1). */
const transitions: Readonly<Record<InstanceState, readonly InstanceState[]>> = {
  starting: ['preparing', 'releasing', 'failed'],
  priming: ['restoring', 'releasing', 'failed'],
  restoring: ['preparing', 'releasing', 'failed'],
  preparing: ['warm', 'releasing', 'failed'],
  warm: ['claimed', 'releasing', 'failed'],
  claimed: ['suspended', 'releasing', 'failed'],
  suspended: ['claimed', 'releasing', 'failed'],
  releasing: ['destroyed', 'failed'],
  destroyed: [],
  failed: [],
};

export function canMove(from: InstanceState, to: InstanceState): boolean {
  return transitions[from].includes(to);
}

/** What a script accepts as the state before `to`: the table is the only place that knows. */
export function statesBefore(to: InstanceState): InstanceState[] {
  return InstanceState.options.filter((from) => canMove(from, to));
}

export function isLive(state: InstanceState): boolean {
  return transitions[state].length > 0;
}

export const liveStates: readonly InstanceState[] = InstanceState.options.filter(isLive);

/** A job is making it: until that job says so, it may be absent from the engine, half-made or not yet ready. */
export function isInTheMaking(state: InstanceState): boolean {
  return state === 'starting' || state === 'priming' || state === 'restoring' || state === 'preparing';
}

export const InstanceRole = z.enum(['primer', 'clone', 'cold']);

export const InstancePort = z.object({
  name: z.string(),
  port: z.number().int(),
  /** Where `port` is reached at the instance's address: another number only where the engine maps ports. */
  addressPort: z.number().int(),
  protocol: z.enum(['http', 'tcp']),
});
export type InstancePort = z.infer<typeof InstancePort>;

/** By phase, in ms. Of a clone: queue, sandbox, rootfs, criu, hook (afterRestore, where there is one), ready, total (job start to ready). */
export const TimingsMs = z.record(z.string(), z.number());
export type TimingsMs = z.infer<typeof TimingsMs>;

/** The record of one container. Times in ms since the epoch, by Redis' clock. */
export const Instance = z.object({
  id: InstanceId,
  /** Empty: belongs to no pool (a primer, or a clone that verifies its golden). */
  pool: z.string(),
  template: z.string(),
  /** Absent when started cold. */
  golden: GoldenId.exactOptional(),
  node: z.string(),
  role: InstanceRole,
  state: InstanceState,
  address: z.string().exactOptional(),
  ports: z.array(InstancePort),
  createdAt: z.number(),
  stateAt: z.number(),
  warmAt: z.number().exactOptional(),
  claim: ClaimId.exactOptional(),
  timingsMs: TimingsMs,
  problem: Failure.exactOptional(),
});
export type Instance = z.infer<typeof Instance>;
