import { z } from '@hono/zod-openapi';
import { decodeCursor, encodeCursor, type Page } from './http/list.ts';
import { validationFailed } from './http/validation-failed.ts';
import { keyPrefix, type Redis } from './redis.ts';

/** The stream of events, written by the scripts of each transition (lua/emit-event.lua); about the newest 100,000 are kept. */
export const eventsKey = `${keyPrefix}events`;

/** A place in the stream: milliseconds and a counter, `1767225600000-0`. The counter may be left out; `0` is before everything. */
export const EventPlace = z.string().regex(/^\d{1,15}(?:-\d{1,15})?$/, 'the id of an event, e.g. 1767225600000-0');

const text = z.string().optional();

/**
 * Something that happened, written in the same step as what it tells of. Fields that do not apply are absent. `at` in ms by Redis' clock.
 * It never holds env, secrets or what an instance printed: `reason` is the code of a problem, or says in words why a claim ended.
 */
export const ThawEvent = z.object({
  id: EventPlace,
  at: z.coerce.number(),
  /** `<noun>.<what happened>`: claim.active, instance.warm, golden.ready, alias.moved, … */
  type: z.string(),
  claim: text,
  tenant: text,
  pool: text,
  template: text,
  golden: text,
  node: text,
  instance: text,
  role: text,
  operation: text,
  kind: text,
  target: text,
  /** Of an operation.step: its name, `running`, `succeeded` or `failed`, and how long it took (ms) once it has ended. */
  step: text,
  state: text,
  tookMs: z.coerce.number().exactOptional(),
  alias: text,
  /** Goldens: of an alias that was moved, of a pool that changes over. */
  from: text,
  to: text,
  reason: text,
  actor: text,
  /** The trace id of the request that caused it, where its caller sent a `traceparent`. */
  trace: text,
});
export type ThawEvent = z.infer<typeof ThawEvent>;

const matched = ['claim', 'tenant', 'pool', 'instance'] as const;

/** What is looked for; what is absent is not asked. */
export interface EventFilter extends Readonly<Partial<Record<(typeof matched)[number] | 'template', string | undefined>>> {
  /** Whole types (`claim.active`) or nouns (`claim`). */
  readonly types?: readonly string[] | undefined;
  /** Only events of these pools. */
  readonly pools?: readonly string[] | undefined;
}

export function matchesEvent(filter: EventFilter, event: ThawEvent): boolean {
  const { types, pools, template } = filter;
  if (types && !types.some((type) => event.type === type || event.type.startsWith(`${type}.`))) return false;
  if (pools && !(event.pool !== undefined && pools.includes(event.pool))) return false;
  if (template !== undefined && event.template !== template && !event.golden?.startsWith(`${template}@`)) return false;
  return matched.every((name) => filter[name] === undefined || filter[name] === event[name]);
}

/** The next events after a place, oldest first. */
export async function readEventsAfter(redis: Redis, place: string, count: number): Promise<ThawEvent[]> {
  return parseEntries(await redis.xrange(eventsKey, `(${place}`, '+', 'COUNT', count));
}

/** Events of a stretch of time (ms, both ends included), oldest first or newest first. */
export async function readEventsBetween(
  redis: Redis,
  { fromMs, toMs, count, newestFirst = false }: { fromMs: number; toMs: number; count: number; newestFirst?: boolean },
): Promise<ThawEvent[]> {
  const [from, to] = [Math.max(0, Math.floor(fromMs)), Math.max(0, Math.floor(toMs))];
  if (newestFirst) return parseEntries(await redis.xrevrange(eventsKey, to, from, 'COUNT', count));
  return parseEntries(await redis.xrange(eventsKey, from, to, 'COUNT', count));
}

/** The place of the oldest event that is still kept; undefined while there are none. */
export async function oldestEventPlace(redis: Redis): Promise<string | undefined> {
  return (await redis.xrange(eventsKey, '-', '+', 'COUNT', 1))[0]?.[0];
}

/** The place of the newest event; `0-0` while there are none. */
export async function newestEventPlace(redis: Redis): Promise<string> {
  return (await redis.xrevrange(eventsKey, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0-0';
}

/** A page that finds little is cut after this many events: a rare match must not make one request read the whole stream. */
const scannedPerPage = 10_000;
const scannedAtOnce = 1000;

export interface EventQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Only events after this place. */
  readonly after?: string | undefined;
  readonly filter: EventFilter;
}

/** Newest first. A page may hold fewer than `limit`, even none, and still have a next one: the search goes on there. */
export async function searchEvents(redis: Redis, { limit, cursor, after, filter }: EventQuery): Promise<Page<ThawEvent>> {
  const items: ThawEvent[] = [];
  const from = after === undefined ? '-' : `(${after}`;
  let before = cursor === undefined ? '+' : `(${parsePlace(cursor)}`;
  for (let scanned = 0; scanned < scannedPerPage; scanned += scannedAtOnce) {
    const events = parseEntries(await redis.xrevrange(eventsKey, before, from, 'COUNT', scannedAtOnce));
    for (const event of events) {
      if (matchesEvent(filter, event)) items.push(event);
      before = `(${event.id}`;
      if (items.length === limit) return { items, nextCursor: encodeCursor(event.id) };
    }
    if (events.length < scannedAtOnce) return { items };
  }
  return { items, nextCursor: encodeCursor(before.slice(1)) };
}

/** Throws validation_failed for a cursor that is not of this list. */
function parsePlace(cursor: string): string {
  const place = EventPlace.safeParse(decodeCursor(cursor)).data;
  if (place !== undefined && compareEventPlaces(place, '0') > 0) return place;
  throw validationFailed([{ in: 'query', path: 'cursor', message: 'not one that this list answered' }]);
}

/** Which of two places comes first: negative when it is `a`. */
export function compareEventPlaces(a: string, b: string): number {
  const [aMs = 0, aCount = 0] = a.split('-').map(Number);
  const [bMs = 0, bCount = 0] = b.split('-').map(Number);
  return aMs - bMs || aCount - bCount;
}

/** Entries as Redis answers them: `[id, [name, value, …]]`. */
export function parseEntries(entries: readonly (readonly [string, readonly string[]])[]): ThawEvent[] {
  return entries.map(([id, fields]) => {
    const pairs = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? '']);
    return ThawEvent.parse({ ...Object.fromEntries(pairs), id });
  });
}
