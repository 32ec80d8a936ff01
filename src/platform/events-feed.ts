import { compareEventPlaces, newestEventPlace, oldestEventPlace, readEventsAfter, type ThawEvent } from './events.ts';
import { EventTail } from './events-tail.ts';
import type { Redis } from './redis.ts';

/** What a follower gets at once: the next events, or none as a sign of life. */
export interface EventBatch {
  readonly events: readonly ThawEvent[];
  /** The follower has seen everything up to here: where to go on after a break. */
  readonly place: string;
  /** Events between the place that the follower had reached and this one are no longer kept. */
  readonly gap?: boolean;
}

/** The events as they happen, for any number of followers of this process. */
export interface EventFeed {
  /**
   * Everything after a place, then what happens, oldest first; from now on when there is no place. Nothing is kept per follower: one that is
   * slow reads its next events from Redis when it asks for them. Ends when the feed is closed. Throws what Redis throws.
   */
  follow(after?: string): AsyncGenerator<EventBatch, void, void>;
  close(): void;
}

const caughtUpAtOnce = 500;

/** `connect` opens the connection that waits for events; there is one, and only while somebody follows. */
export function openEventFeed(redis: Redis, connect: () => Redis): EventFeed {
  let tail: EventTail | undefined;
  let followers = 0;
  let closed = false;

  function leave(): void {
    followers -= 1;
    if (followers > 0) return;
    tail?.stop();
    tail = undefined;
  }

  return {
    async *follow(after) {
      if (closed) return;
      followers += 1;
      try {
        const newest = await newestEventPlace(redis);
        if (closed) return;
        tail ??= new EventTail(connect(), newest);
        yield* followTail(redis, tail, after ?? newest);
      } finally {
        leave();
      }
    },
    close: () => {
      closed = true;
      tail?.stop();
    },
  };
}

async function* followTail(redis: Redis, tail: EventTail, after: string): AsyncGenerator<EventBatch, void, void> {
  let place = after;
  while (!tail.stopped) {
    const events = tail.after(place);
    if (events === undefined) {
      const batch = await catchUp(redis, place, tail.from);
      place = batch.place;
      if (batch.gap || batch.events.length > 0) yield batch;
      continue;
    }
    place = events.at(-1)?.id ?? place;
    yield { events, place };
    if (tail.after(place)?.length === 0) await tail.changed();
  }
}

/** Reads on from Redis. `from`: where the tail began before this read; what a short page does not hold up to there does not exist. */
async function catchUp(redis: Redis, place: string, from: string): Promise<EventBatch> {
  const events = await readEventsAfter(redis, place, caughtUpAtOnce);
  const oldest = await oldestEventPlace(redis); // after the read: what was trimmed meanwhile must count as missed
  const gap = !isBeginning(place) && oldest !== undefined && compareEventPlaces(place, oldest) < 0;
  const last = events.at(-1)?.id ?? place;
  const isComplete = events.length < caughtUpAtOnce && compareEventPlaces(last, from) < 0;
  return { events, place: isComplete ? from : last, ...(gap ? { gap } : {}) };
}

/** `0` asks for all that is kept: nobody misses what was before. */
function isBeginning(place: string): boolean {
  return compareEventPlaces(place, '0') === 0;
}
