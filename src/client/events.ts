import { ThawProblem } from './problem.ts';
import { isRefusedForNow, sleep } from './retry.ts';
import type { components, operations } from './schema.ts';
import { readMessages } from './server-sent-events.ts';

export type ThawEvent = components['schemas']['Event'];

type Query = NonNullable<operations['listEvents']['parameters']['query']>;
/** `type` takes types (`claim.active`) and nouns (`claim`), separated by commas. */
export type EventFilter = Pick<Query, 'type' | 'claim' | 'pool' | 'tenant' | 'instance' | 'template'>;

export interface FollowOptions {
  /** Id of the event after which to begin; `0`: all that is kept. From now on when absent. */
  readonly after?: string;
  readonly signal?: AbortSignal;
  /** Events after this place are no longer kept: read the present state again. */
  readonly onGap?: (after: string | undefined) => void;
}

export interface EventSource {
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: (request: Request) => Promise<Response>;
  /** A service that answers nothing for so long (ms) is given up. */
  readonly withinMs: number;
}

/** The service says something at least every 20 s. */
const silenceMs = 60_000;
const comeBackAfterMs = 1000;

/**
 * Ends when the signal aborts. Throws ThawProblem for a refusal that trying again does not help, and what went wrong last when the service
 * is away for too long.
 */
export async function* followEvents(source: EventSource, filter: EventFilter, options: FollowOptions): AsyncGenerator<ThawEvent, void> {
  const { signal, onGap } = options;
  let place = options.after;
  let awaySince: number | undefined;
  while (!signal?.aborted) {
    try {
      for await (const { id, event, data } of connect(source, filter, place, signal)) {
        awaySince = undefined;
        if (event === 'gap') onGap?.(place);
        if (event === 'message' && data !== '') yield JSON.parse(data) as ThawEvent;
        place = id ?? place; // after the event was taken: one that breaks off in between sees it again
      }
    } catch (error) {
      if (signal?.aborted) return;
      const isOver = error instanceof SyntaxError || (error instanceof ThawProblem && !isRefusedForNow(error.status));
      awaySince ??= Date.now();
      if (isOver || Date.now() - awaySince > source.withinMs) throw error;
    }
    await sleep(comeBackAfterMs, signal).catch(() => {}); // aborted: the loop ends
  }
}

async function* connect(source: EventSource, filter: EventFilter, place: string | undefined, signal: AbortSignal | undefined) {
  const hangUp = new AbortController();
  const stop = signal ? AbortSignal.any([signal, hangUp.signal]) : hangUp.signal;
  const expectSign = () => setTimeout(() => hangUp.abort(new Error(`no sign of life for ${silenceMs} ms`)), silenceMs);
  let silence = expectSign();
  try {
    for await (const message of readMessages(await open(source, filter, place, stop), stop)) {
      clearTimeout(silence);
      silence = expectSign();
      yield message;
    }
  } finally {
    clearTimeout(silence);
    hangUp.abort(); // also when the reader has had enough
  }
}

async function open({ baseUrl, headers, fetch }: EventSource, filter: EventFilter, place: string | undefined, signal: AbortSignal) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== undefined));
  const from: Record<string, string> = place === undefined ? {} : { 'Last-Event-ID': place };
  const url = `${baseUrl}/v1/events?${query}`;
  const response = await fetch(new Request(url, { headers: { ...headers, ...from, Accept: 'text/event-stream' }, signal }));
  if (response.ok && response.body !== null) return response.body;
  throw new ThawProblem(response, await response.json().catch(() => undefined));
}
