import type { ThawCalls } from './client.ts';
import { orThrow, ThawProblem } from './problem.ts';
import { sleep } from './retry.ts';
import type { components } from './schema.ts';

export type Claim = components['schemas']['Claim'];
export type ClaimRequest = components['schemas']['ClaimRequest'];

export interface ClaimOptions {
  /** The same for each try of one claim, also after a restart of your process: an order's number, say. Made up when absent. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** A claim that holds its instance. `await using` releases it. */
export interface HeldClaim extends AsyncDisposable {
  readonly id: string;
  /** As it was last seen. */
  readonly claim: Claim;
  /** Lets the lease end `leaseMs` from now; the pool's default when absent. Throws ThawProblem: claim_ended. */
  renew(leaseMs?: number): Promise<Claim>;
  /** Renews whenever a third of the lease has passed. Resolves with the claim when the signal aborts, or when it has ended, whyever. */
  keepRenewed(options?: { readonly leaseMs?: number; readonly signal?: AbortSignal }): Promise<Claim>;
  /** The instance is destroyed. May be repeated; a claim that has ended stays as it ended. */
  release(): Promise<Claim>;
}

/** Above this the service lets nobody wait in one request. */
const longestSyncWaitMs = 25_000;
const lookEveryMs = 250;
const shortestRenewalMs = 250;

/** Claims an instance, waits until it is held and, where `ack` was asked for, acknowledges it. */
export async function claimInstance(calls: ThawCalls, pool: string, request: ClaimRequest, options: ClaimOptions): Promise<HeldClaim> {
  const { idempotencyKey = crypto.randomUUID(), signal } = options;
  const inLine = (request.waitMs ?? 0) > longestSyncWaitMs;
  const answer = await calls.POST('/v1/pools/{pool}/claims', {
    params: { path: { pool }, header: { 'Idempotency-Key': idempotencyKey, ...(inLine ? { Prefer: 'respond-async' } : {}) } },
    body: request,
    ...(signal && { signal }),
  });
  const claim = await untilHeld(calls, orThrow(answer), signal);
  return holdClaim(calls, claim.state === 'bound' ? await acknowledge(calls, claim.id) : claim);
}

/** Throws ThawProblem with claim_ended when it never held one. */
async function untilHeld(calls: ThawCalls, made: Claim, signal: AbortSignal | undefined): Promise<Claim> {
  const path = { claim: made.id };
  try {
    for (let claim = made; ; ) {
      if (claim.state === 'active' || claim.state === 'bound') return claim;
      if (claim.endedAt !== undefined) return orThrow(await calls.POST('/v1/claims/{claim}/renew', { params: { path }, body: {} })); // says why
      await sleep(lookEveryMs, signal);
      claim = orThrow(await calls.GET('/v1/claims/{claim}', { params: { path }, ...(signal && { signal }) }));
    }
  } catch (error) {
    if (signal?.aborted) await calls.DELETE('/v1/claims/{claim}', { params: { path } }); // who left the line holds nothing
    throw error;
  }
}

async function acknowledge(calls: ThawCalls, id: string): Promise<Claim> {
  return orThrow(await calls.POST('/v1/claims/{claim}/ack', { params: { path: { claim: id } } }));
}

function holdClaim(calls: ThawCalls, held: Claim): HeldClaim {
  const params = { path: { claim: held.id } };
  let claim = held;
  const read = async () => {
    claim = orThrow(await calls.GET('/v1/claims/{claim}', { params }));
    return claim;
  };
  const renew = async (leaseMs?: number) => {
    claim = orThrow(await calls.POST('/v1/claims/{claim}/renew', { params, body: leaseMs === undefined ? {} : { leaseMs } }));
    return claim;
  };
  const release = async () => {
    claim = orThrow(await calls.DELETE('/v1/claims/{claim}', { params }));
    return claim;
  };
  return {
    id: held.id,
    get claim() {
      return claim;
    },
    ...{ renew, release },
    keepRenewed: async ({ leaseMs, signal } = {}) => {
      while (!signal?.aborted) {
        const leftMs = Date.parse(claim.expiresAt) - Date.now();
        await sleep(Math.max(shortestRenewalMs, leftMs / 3), signal).catch(() => {}); // aborted: the loop ends
        if (signal?.aborted) return claim;
        if (!(await stillHeld(renew, leaseMs))) return read();
      }
      return claim;
    },
    [Symbol.asyncDispose]: async () => {
      await release();
    },
  };
}

async function stillHeld(renew: (leaseMs?: number) => Promise<Claim>, leaseMs: number | undefined): Promise<boolean> {
  try {
    await renew(leaseMs);
    return true;
  } catch (error) {
    if (error instanceof ThawProblem && error.code === 'claim_ended') return false;
    throw error;
  }
}
