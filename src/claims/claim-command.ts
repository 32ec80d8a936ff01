import type { Logger } from '#src/platform/log.ts';
import type { InstanceJobs } from '#src/pools/run-plan.ts';
import type { BindClaimDeps } from './bind-claim.ts';
import type { Claim, ClaimRequest } from './claim.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { WaitingRoom } from './waiting-room.ts';

export interface ClaimInstanceDeps extends BindClaimDeps {
  readonly jobs: Pick<InstanceJobs, 'destroy'>;
  readonly fingerprint: Fingerprint;
  readonly waitingRoom: WaitingRoom;
  readonly log: Pick<Logger, 'error'>;
}

export interface ClaimCommand {
  /** In the order in which they are tried. */
  readonly pools: readonly [string, ...string[]];
  readonly body: ClaimRequest;
  /** Of the API key that asks. */
  readonly keyId: string;
  readonly idempotencyKey: string | undefined;
  /** Answer a claim that has to wait as it is, and serve it when its turn comes. */
  readonly respondAsync: boolean;
  /** The caller hung up; asked for only while the claim waits. */
  hungUp(): AbortSignal;
  readonly trace: string | undefined;
}

export interface Claimed {
  readonly claim: Claim;
  /** An earlier request with the same idempotency key made it. */
  readonly replayed: boolean;
}

/** One request on its way. */
export interface Attempt {
  readonly command: ClaimCommand;
  readonly startedAt: number;
  /** By the clock of deps: until then it may wait in line. */
  readonly waitUntilMs: number;
}
