import { ThawError } from '#src/platform/errors.ts';
import type { Logger } from '#src/platform/log.ts';
import { LiveClaim } from './live-claim.ts';
import type { Target } from './read-target.ts';

export interface LiveClaimsDeps {
  /** Throws the problem of a claim that is not live. */
  read(claim: string): Promise<Target>;
  /** Ms left of the leases of those that are live. */
  readLeases(claims: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Told at most once a second for a claim while bytes flow. */
  touchClaim(claim: string): Promise<void>;
  readonly log: Pick<Logger, 'error'>;
  /** How long nothing may pass in either direction until an answer begins; one that has begun may rest for as long as it wants. */
  readonly silenceMs: number;
}

/** How long what Redis said is believed. Checks come twice as often, so that a claim in use never waits for one. */
const freshMs = 1000;
const checkEveryMs = 500;
const touchEveryMs = 1000;
/** A claim that nobody uses is forgotten, with its idle connections. */
const forgetAfterMs = 15_000;

/** The claims in use, each looked up once and then checked twice a second: when one ends, so do its connections. */
export class LiveClaims implements Disposable {
  readonly #deps: LiveClaimsDeps;
  readonly #claims = new Map<string, LiveClaim>();
  readonly #lookUps = new Map<string, Promise<LiveClaim>>();
  readonly #timer: NodeJS.Timeout;
  #isChecking = false;

  constructor(deps: LiveClaimsDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => void this.#check(), checkEveryMs).unref();
  }

  /** Throws claim_not_found, claim_gone, claim_not_ready. Without waiting for Redis while the claim is in use. */
  find(claim: string): LiveClaim | Promise<LiveClaim> {
    const known = this.#claims.get(claim);
    const now = performance.now();
    if (known !== undefined && now < known.freshUntil && now < known.leaseEndsAt) {
      known.askedAt = now;
      return known;
    }
    const lookUp = this.#lookUps.get(claim) ?? this.#lookUp(claim).finally(() => this.#lookUps.delete(claim));
    this.#lookUps.set(claim, lookUp);
    return lookUp;
  }

  /** Asks Redis again, whatever was believed, as the instance failed: where the claim has ended meanwhile, that is the reason, and its connections are told. */
  async confirm(claim: string): Promise<void> {
    const known = this.#claims.get(claim);
    if (known) known.freshUntil = 0;
    await this.find(claim);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const claim of this.#claims.keys()) this.#end(claim);
  }

  async #lookUp(claim: string): Promise<LiveClaim> {
    const readAt = performance.now();
    try {
      const target = await this.#deps.read(claim);
      const known = this.#claims.get(claim);
      if (known !== undefined && known.target.instance !== target.instance) this.#end(claim);
      const live = this.#claims.get(claim) ?? new LiveClaim(target);
      live.target = target;
      renew(live, target.leaseLeftMs, readAt);
      live.askedAt = performance.now();
      this.#claims.set(claim, live);
      return live;
    } catch (error) {
      if (error instanceof ThawError) this.#end(claim, error); // it is not live; while Redis is away nothing is known
      throw error;
    }
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      const readAt = performance.now();
      for (const [claim, live] of this.#claims) this.#noteUse(claim, live, readAt);
      const claims = [...this.#claims.keys()];
      if (claims.length === 0) return;
      const leases = await this.#deps.readLeases(claims);
      for (const claim of claims) {
        const live = this.#claims.get(claim);
        const leftMs = leases.get(claim);
        if (live && leftMs !== undefined) renew(live, leftMs, readAt);
        else this.#end(claim);
      }
    } catch {
      // Redis is away, and says so to whoever asks for a claim. Connections go on for as long as their lease was known to be.
      for (const [claim, live] of this.#claims) if (live.leaseEndsAt <= performance.now()) this.#end(claim);
    } finally {
      this.#isChecking = false;
    }
  }

  #noteUse(claim: string, live: LiveClaim, now: number): void {
    live.look(now, this.#deps.silenceMs);
    if (live.usedAt > live.touchedAt && now - live.touchedAt >= touchEveryMs) {
      live.touchedAt = now;
      this.#deps.touchClaim(claim).catch((err: unknown) => this.#deps.log.error({ err, claim }, 'the use of a claim could not be noted'));
    }
    if (live.isIdle() && now - Math.max(live.askedAt, live.usedAt) > forgetAfterMs) this.#end(claim);
  }

  #end(claim: string, gone?: ThawError): void {
    const live = this.#claims.get(claim);
    this.#claims.delete(claim);
    live?.end(gone);
  }
}

function renew(live: LiveClaim, leaseLeftMs: number, readAt: number): void {
  live.freshUntil = readAt + freshMs;
  live.leaseEndsAt = readAt + leaseLeftMs;
}
