import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { compareEventPlaces, eventsKey, parseEntries, type ThawEvent } from './events.ts';
import type { Redis } from './redis.ts';

/** How many of the newest events are kept: who falls further behind reads from Redis at its own pace. */
const kept = 1000;
const readAtOnce = 500;
/** Followers wake this often when nothing happens, to send a sign of life. */
const wakeEveryMs = 5000;

const Reply = z.array(z.tuple([z.string(), z.array(z.tuple([z.string(), z.array(z.string())]))])).nullable();

/** The newest events in memory, read once for all who follow them, over a connection of its own because the reads block. */
export class EventTail {
  #events: ThawEvent[] = [];
  /** Every event after this place, up to `#last`, is in `#events`. */
  #from: string;
  #last: string;
  #stopped = false;
  readonly #connection: Redis;
  readonly #waiting = new Set<() => void>();

  /** Begins to read after `place`; the connection is closed by `stop`. */
  constructor(connection: Redis, place: string) {
    this.#connection = connection;
    this.#from = place;
    this.#last = place;
    void this.#run();
  }

  get from(): string {
    return this.#from;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** The events after a place, oldest first; undefined when some of them are no longer in memory. */
  after(place: string): ThawEvent[] | undefined {
    if (compareEventPlaces(place, this.#from) < 0) return undefined;
    return this.#events.slice(this.#events.findLastIndex((event) => compareEventPlaces(event.id, place) <= 0) + 1);
  }

  /** Settles when there may be news, at the latest after about 5 s while Redis answers, and at `stop`. */
  changed(): Promise<void> {
    return this.#stopped ? Promise.resolve() : new Promise((resolve) => this.#waiting.add(resolve));
  }

  stop(): void {
    this.#stopped = true;
    this.#connection.disconnect();
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        this.#keep(await this.#read());
      } catch {
        // Redis is away or loads its data: ioredis connects again, and the next read begins where this one did.
        if (!this.#stopped) await delay(500);
      }
      this.#wake();
    }
  }

  async #read(): Promise<ThawEvent[]> {
    const reply = Reply.parse(await this.#connection.xread('COUNT', readAtOnce, 'BLOCK', wakeEveryMs, 'STREAMS', eventsKey, this.#last));
    return parseEntries(reply?.[0]?.[1] ?? []);
  }

  #keep(events: readonly ThawEvent[]): void {
    this.#last = events.at(-1)?.id ?? this.#last;
    this.#events.push(...events);
    const dropped = this.#events.splice(0, Math.max(0, this.#events.length - kept));
    this.#from = dropped.at(-1)?.id ?? this.#from;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
