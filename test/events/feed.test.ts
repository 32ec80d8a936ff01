import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventsKey, newestEventPlace, type ThawEvent } from '#src/platform/events.ts';
import { type EventBatch, type EventFeed, openEventFeed } from '#src/platform/events-feed.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';
import { emitEvents } from './emit-event.ts';

const server = useTestRedis();
let feed: EventFeed;
let connections = 0;

beforeEach(async () => {
  connections = 0;
  feed = openEventFeed(server.redis, () => {
    connections += 1;
    return connectRedis(server.url);
  });
});

afterEach(() => {
  feed.close();
});

type Follower = ReturnType<EventFeed['follow']>;

/** The follower's next batch that is not a mere sign of life. */
async function nextNews(follower: Follower): Promise<EventBatch> {
  for (;;) {
    const { value } = await follower.next();
    if (!value) throw new Error('the feed ended');
    if (value.events.length > 0 || value.gap) return value;
  }
}

async function take(follower: Follower, count: number): Promise<ThawEvent[]> {
  const events: ThawEvent[] = [];
  while (events.length < count) events.push(...(await nextNews(follower)).events);
  return events;
}

/** A follower that has begun: it misses nothing from here on. */
async function follow(after?: string): Promise<Follower> {
  const follower = feed.follow(after);
  await follower.next();
  return follower;
}

describe('a follower', () => {
  it('gets what happens, in order and once', async () => {
    const follower = await follow();
    await emitEvents(server.redis, 'claim.reserved', { claim: 'clm-1' });
    await emitEvents(server.redis, 'claim.active', { claim: 'clm-1', pool: 'web' });
    const events = await take(follower, 2);
    expect(events.map((event) => event.type)).toEqual(['claim.reserved', 'claim.active']);
    expect(events[1]).toMatchObject({ claim: 'clm-1', pool: 'web', at: expect.any(Number) });
    await follower.return();
  });

  it('goes on after the place that it had reached, also far behind what is in memory', async () => {
    await emitEvents(server.redis, 'instance.warm');
    const place = await newestEventPlace(server.redis);
    await emitEvents(server.redis, 'claim.reserved', {}, 2600);
    const follower = feed.follow(place);
    const events = await take(follower, 2600);
    await emitEvents(server.redis, 'claim.active');
    events.push(...(await take(follower, 1)));
    expect(events).toHaveLength(2601);
    expect(new Set(events.map((event) => event.id)).size).toBe(2601);
    expect(events.at(-1)?.type).toBe('claim.active');
    await follower.return();
  });

  it('that is slow misses nothing while others go ahead', async () => {
    const [slow, quick] = [await follow(), await follow()];
    await emitEvents(server.redis, 'claim.reserved', {}, 3000);
    expect(await take(quick, 3000)).toHaveLength(3000);
    const events = await take(slow, 3000);
    expect(new Set(events.map((event) => event.id)).size).toBe(3000);
    await Promise.all([slow.return(), quick.return()]);
  });

  it('is told when events after its place are no longer kept', async () => {
    await emitEvents(server.redis, 'claim.reserved', {}, 10);
    const [first] = await server.redis.xrange(eventsKey, '-', '+', 'COUNT', 1);
    await server.redis.xtrim(eventsKey, 'MAXLEN', 4);
    const follower = feed.follow(first?.[0]);
    const batch = await nextNews(follower);
    expect(batch.gap).toBe(true);
    expect(batch.events).toHaveLength(4);
    await follower.return();
  });

  it('that begins at 0 gets all that is kept, and no gap', async () => {
    await emitEvents(server.redis, 'claim.reserved', {}, 10);
    await server.redis.xtrim(eventsKey, 'MAXLEN', 4);
    const follower = feed.follow('0');
    const batch = await nextNews(follower);
    expect(batch.gap).toBeUndefined();
    expect(batch.events).toHaveLength(4);
    await follower.return();
  });

  it('goes on after Redis dropped its connections', async () => {
    const follower = await follow();
    await server.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await emitEvents(server.redis, 'claim.active');
    expect((await take(follower, 1))[0]?.type).toBe('claim.active');
    await follower.return();
  });
});

it('any number of followers share one connection, which is closed after the last of them', async () => {
  const followers = await Promise.all(Array.from({ length: 20 }, () => follow()));
  await emitEvents(server.redis, 'alias.moved');
  for (const follower of followers) expect(await take(follower, 1)).toHaveLength(1);
  expect(connections).toBe(1);
  await Promise.all(followers.map((follower) => follower.return()));
  await expect.poll(async () => String(await server.redis.client('LIST')).match(/cmd=xread/g)).toBeNull();
  const late = await follow();
  expect(connections).toBe(2);
  await late.return();
});

it('a feed that is closed ends its followers at once', async () => {
  const follower = await follow();
  const ended = follower.next();
  feed.close();
  const startedAt = performance.now();
  let result = await ended;
  while (!result.done) result = await follower.next();
  expect(performance.now() - startedAt).toBeLessThan(1000);
});

it('about 100,000 events are kept', async () => {
  for (let i = 0; i < 11; i++) await emitEvents(server.redis, 'claim.active', { claim: 'clm-0123456789abcdef', pool: 'web' }, 10_000);
  const length = await server.redis.xlen(eventsKey);
  expect(length).toBeGreaterThanOrEqual(100_000);
  expect(length).toBeLessThan(100_400);
});
