export interface RetryLimits {
  /** Requests that are sent at most for one call. */
  readonly attempts: number;
  /** No attempt begins later than this after the first one (ms). */
  readonly withinMs: number;
  /** How long one attempt may take (ms): above the 25 s that a claim can wait in line. */
  readonly attemptMs: number;
}

export const usualLimits: RetryLimits = { attempts: 6, withinMs: 60_000, attemptMs: 40_000 };
const firstDelayMs = 100;
const longestDelayMs = 5000;

/** Nothing was done, and it may go well later: see `class` of the problem and Retry-After. */
export function isRefusedForNow(status: number): boolean {
  return status === 429 || status === 503;
}

type Fetch = (request: Request) => Promise<Response>;

/** A fetch that tries again within these limits; then it answers, or throws, what came last. Answers are read whole. */
export function retryingFetch(fetch: Fetch, limits: Partial<RetryLimits> = {}): Fetch {
  const { attempts, withinMs, attemptMs } = { ...usualLimits, ...limits };
  return async (request) => {
    const endAt = Date.now() + withinMs;
    const isRepeatable = request.method !== 'POST' || request.headers.has('Idempotency-Key');
    for (let attempt = 1; ; attempt++) {
      const outcome = await send(fetch, request, attemptMs);
      const delayMs = delayBefore(attempt + 1, outcome);
      const isOver = attempt >= attempts || Date.now() + delayMs > endAt;
      if (outcome instanceof Response && (isOver || !isRefusedForNow(outcome.status))) return outcome;
      if (!(outcome instanceof Response) && (isOver || !isRepeatable)) throw outcome;
      await sleep(delayMs, request.signal);
    }
  };
}

/** The answer, or why there is none. A caller that aborts is no failure to try again after: that is thrown. */
async function send(fetch: Fetch, request: Request, attemptMs: number): Promise<Response | Error> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(attemptMs)]);
  try {
    const response = await fetch(new Request(request.clone(), { signal }));
    if (response.body === null || response.status === 204) return response;
    return new Response(await response.arrayBuffer(), response); // a connection that breaks now is a lost answer too
  } catch (error) {
    request.signal.throwIfAborted();
    if (error instanceof Error) return error;
    throw error;
  }
}

/** What the service asks for, or twice as long each time; never all clients at once. */
function delayBefore(attempt: number, outcome: Response | Error): number {
  const asked = outcome instanceof Response ? Number(outcome.headers.get('Retry-After') ?? Number.NaN) * 1000 : Number.NaN;
  const ownMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (attempt - 2));
  return Number.isFinite(asked) ? asked : ownMs * (0.5 + Math.random() / 2);
}

/** Throws the signal's reason when it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
