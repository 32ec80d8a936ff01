import type { Clock } from '#src/platform/clock.ts';
import { type EventFilter, matchesEvent, type ThawEvent } from '#src/platform/events.ts';
import type { EventBatch, EventFeed } from '#src/platform/events-feed.ts';
import { isRedisGone } from '#src/platform/redis.ts';

export interface Following {
  readonly after: string | undefined;
  readonly filter: EventFilter;
  /** What of an event this follower may see. */
  show(event: ThawEvent): object;
}

/** Proxies cut a connection that is silent for a minute or so. */
const heartbeatAfterMs = 15_000;

/**
 * The text of one stream of server-sent events, in pieces that are made when the connection takes them: a slow client costs no memory. Messages
 * have no event name, so that a client hears types it does not know; only `gap` has one. Ends, with a comment that says why, when the feed does.
 */
export async function* eventStream(deps: { feed: EventFeed; clock: Clock }, { after, filter, show }: Following): AsyncGenerator<Buffer> {
  const { feed, clock } = deps;
  let place = after;
  let writtenAt = Number.NEGATIVE_INFINITY;
  yield Buffer.from(': events; a client that comes back sends Last-Event-ID\nretry: 2000\n\n');
  try {
    for await (const batch of feed.follow(after)) {
      const text = batchText(batch, { place, filter, show });
      place = batch.place;
      if (text === '' && clock.nowMs() - writtenAt < heartbeatAfterMs) continue;
      // Also without an event to show: the client's place moves on, so that it does not search the same stretch again.
      yield Buffer.from(text === '' ? `: heartbeat\nid: ${place}\n\n` : text);
      writtenAt = clock.nowMs();
    }
    yield Buffer.from(': the API process ends; come back with Last-Event-ID\n\n');
  } catch (error) {
    if (!isRedisGone(error)) throw error;
    yield Buffer.from(': Redis does not answer; come back with Last-Event-ID\n\n');
  }
}

function batchText({ events, gap }: EventBatch, { place, filter, show }: Omit<Following, 'after'> & { place: string | undefined }): string {
  const messages = events
    .filter((event) => matchesEvent(filter, event))
    .map((event) => `id: ${event.id}\ndata: ${JSON.stringify(show(event))}\n\n`);
  return (gap ? gapMessage(place) : '') + messages.join('');
}

function gapMessage(place: string | undefined): string {
  const data = { after: place, message: 'events after this place are no longer kept; read the present state again' };
  return `event: gap\ndata: ${JSON.stringify(data)}\n\n`;
}
