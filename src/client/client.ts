import createClient, { type Client } from 'openapi-fetch';
import { type ClaimOptions, type ClaimRequest, claimInstance, type HeldClaim } from './claim.ts';
import { type EventFilter, type FollowOptions, followEvents, type ThawEvent } from './events.ts';
import { type RetryLimits, retryingFetch, usualLimits } from './retry.ts';
import type { paths } from './schema.ts';

export interface ThawClientOptions {
  /** Where Thaw answers, e.g. `http://127.0.0.1:7070`. */
  readonly url: string;
  /** An API key or a tenant token; without one only /healthz, /readyz and /metrics answer. */
  readonly key?: string | undefined;
  readonly retry?: Partial<RetryLimits>;
  /** Stands for the global fetch. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** A typed call for each route: `thaw.GET('/v1/pools/{pool}', { params: { path: { pool: 'search' } } })` answers `{ data }` or `{ error }`. */
export type ThawCalls = Client<paths, `${string}/${string}`>;

export interface ThawClient extends ThawCalls {
  /** Claims an instance and waits until it is held. Throws ThawProblem. */
  claim(pool: string, request: ClaimRequest, options?: ClaimOptions): Promise<HeldClaim>;
  /** Follows what happens until the signal aborts; comes back by itself after a break, without a gap. Throws ThawProblem. */
  events(filter?: EventFilter, options?: FollowOptions): AsyncGenerator<ThawEvent, void, undefined>;
}

/**
 * Speaks to a Thaw. What was refused for now (429, 503) is asked again when Retry-After says so, and so is what got no answer, where asking
 * twice is the same as asking once: under an Idempotency-Key, or when the method is not POST.
 */
export function createThawClient({ url, key, retry = {}, fetch = globalThis.fetch }: ThawClientOptions): ThawClient {
  const baseUrl = url.replace(/\/+$/, '');
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const calls: ThawCalls = createClient<paths>({ baseUrl, headers, fetch: retryingFetch(fetch, retry) });
  return {
    ...calls,
    claim: (pool, request, options = {}) => claimInstance(calls, pool, request, options),
    events: (filter = {}, options = {}) =>
      followEvents({ baseUrl, headers, fetch, withinMs: retry.withinMs ?? usualLimits.withinMs }, filter, options),
  };
}
