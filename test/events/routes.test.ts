import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventsRoutes } from '#src/api/events-routes.ts';
import { systemClock } from '#src/platform/clock.ts';
import { newestEventPlace } from '#src/platform/events.ts';
import { type EventFeed, openEventFeed } from '#src/platform/events-feed.ts';
import type { Actor } from '#src/platform/http/access.ts';
import { problemHandler } from '#src/platform/http/on-error.ts';
import { newRouter } from '#src/platform/http/router.ts';
import { connectRedis } from '#src/platform/redis.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';
import { emitEvents } from './emit-event.ts';

const server = useTestRedis();
let feed: EventFeed;
let http: Awaited<ReturnType<typeof serveEvents>>;
const admin: Actor = { keyId: 'k1', role: 'admin', name: 'test', address: '' };
const tenant: Actor = { ...admin, role: 'tenant', tenant: 'acme' };

beforeEach(async () => {
  feed = openEventFeed(server.redis, () => connectRedis(server.url));
  http = await serveEvents();
});

afterEach(async () => {
  feed.close();
  await http.close();
});

/** The routes on a real port; whoever asks is `http.actor`. */
async function serveEvents() {
  const app = newRouter();
  const serving = { actor: admin, url: '', close: async () => {} };
  app.use(async (c, next) => {
    c.set('actor', serving.actor);
    c.set('requestId', 'request');
    await next();
  });
  app.onError(problemHandler(pino({ level: 'silent' })));
  eventsRoutes(app, { redis: server.redis, events: feed, clock: systemClock });
  const listening = createAdaptorServer({ fetch: app.fetch });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  serving.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/v1/events`;
  serving.close = async () => {
    listening.close();
    if ('closeAllConnections' in listening) listening.closeAllConnections();
    await once(listening, 'close');
  };
  return serving;
}

interface Stream {
  /** Reads on until the text fits; answers all text so far. */
  until(pattern: RegExp): Promise<string>;
  /** Reads to the end. */
  rest(): Promise<string>;
  hangUp(): void;
}

async function openStream(query = '', headers: Record<string, string> = {}): Promise<Stream> {
  const hangUp = new AbortController();
  const answer = await fetch(`${http.url}${query}`, { headers, signal: hangUp.signal });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) throw new Error('the answer has no body');
  let text = '';
  const readOn = async () => {
    const { done, value = '' } = await reader.read();
    text += value;
    return !done;
  };
  return {
    until: async (pattern) => {
      while (!pattern.test(text)) if (!(await readOn())) throw new Error(`the stream ended after ${text}`);
      return text;
    },
    rest: async () => {
      while (await readOn());
      return text;
    },
    hangUp: () => hangUp.abort(),
  };
}

const Message = z.object({ id: z.string(), type: z.string(), at: z.iso.datetime() }).catchall(z.string());

function messages(text: string) {
  return [...text.matchAll(/^id: (.*)\ndata: (.*)$/gm)].map(([, id, data = '']) => {
    const message = Message.parse(JSON.parse(data));
    expect(message.id).toBe(id);
    return message;
  });
}

async function list(query: string) {
  const answer = await fetch(`${http.url}${query}`, { headers: { accept: 'application/json' } });
  const body: unknown = await answer.json();
  if (answer.status !== 200) return { status: answer.status, items: [], nextCursor: undefined };
  return { status: 200, ...z.object({ items: z.array(Message), nextCursor: z.string().optional() }).parse(body) };
}

describe('the stream', () => {
  it('tells what happens, each message with the place to go on from', async () => {
    const stream = await openStream();
    await stream.until(/\nid: /);
    await emitEvents(server.redis, 'golden.ready', { golden: 'api@7', template: 'api' });
    const [message] = messages(await stream.until(/golden.ready/));
    expect(message).toMatchObject({ type: 'golden.ready', golden: 'api@7' });
    stream.hangUp();
  });

  it('goes on after Last-Event-ID, without repeating and without missing', async () => {
    await emitEvents(server.redis, 'claim.reserved', { claim: 'one' });
    const place = await newestEventPlace(server.redis);
    await emitEvents(server.redis, 'claim.active', { claim: 'one' });
    const stream = await openStream('?after=0', { 'Last-Event-ID': place });
    expect(messages(await stream.until(/data: /)).map((message) => message.type)).toEqual(['claim.active']);
    stream.hangUp();
  });

  it('says first that there is a gap, when what followed the place is no longer kept', async () => {
    await emitEvents(server.redis, 'claim.active', {}, 10);
    const stream = await openStream('?after=1-0');
    expect(await stream.until(/data: .*claim.active/)).toMatch(/event: gap\ndata: .*"after":"1-0".*\n\nid: /);
    stream.hangUp();
  });

  it.each([
    ['type=claim', ['claim.reserved', 'claim.active']],
    ['type=claim.active,instance', ['claim.active', 'instance.warm']],
    ['claim=clm-1', ['claim.reserved']],
    ['tenant=acme', ['claim.active']],
    ['pool=web', ['claim.active']],
    ['instance=ins-1', ['instance.warm']],
    ['template=api', ['instance.warm', 'alias.moved']],
  ])('shows only what %s asks for', async (query, types) => {
    await emitEvents(server.redis, 'claim.reserved', { claim: 'clm-1' });
    await emitEvents(server.redis, 'claim.active', { tenant: 'acme', pool: 'web' });
    await emitEvents(server.redis, 'instance.warm', { instance: 'ins-1', golden: 'api@7' });
    await emitEvents(server.redis, 'alias.moved', { template: 'api' });
    const stream = await openStream(`?after=0&${query}`);
    const text = await stream.until(/\n\nid: .*\n/);
    expect(messages(text).map((message) => message.type)).toEqual(types);
    stream.hangUp();
    expect((await list(`?${query}`)).items.map((item) => item.type)).toEqual(types.toReversed());
  });

  it('ends with a comment when the process does, and its connection closes', async () => {
    const stream = await openStream();
    await stream.until(/\nid: /);
    feed.close();
    expect(await stream.rest()).toMatch(/: the API process ends; come back with Last-Event-ID\n\n$/);
  });

  it('no longer reads Redis once the last client has hung up', async () => {
    const stream = await openStream();
    await stream.until(/\nid: /);
    stream.hangUp();
    await expect.poll(async () => String(await server.redis.client('LIST')).match(/cmd=xread/g), { timeout: 10_000 }).toBeNull();
  });
});

describe('a key', () => {
  it("of a tenant sees its tenant's events alone, without nodes", async () => {
    await emitEvents(server.redis, 'claim.active', { tenant: 'other', claim: 'theirs' });
    await emitEvents(server.redis, 'instance.warm', { instance: 'ins-1', node: 'n1' });
    await emitEvents(server.redis, 'claim.active', { tenant: 'acme', claim: 'ours', node: 'n1', actor: 'somebody' });
    http.actor = tenant;
    const { items } = await list('');
    expect(items).toEqual([{ id: expect.any(String), at: expect.any(String), type: 'claim.active', tenant: 'acme', claim: 'ours' }]);
    const stream = await openStream('?after=0');
    const text = await stream.until(/ours/);
    expect(text).not.toMatch(/theirs|ins-1|n1|somebody/);
    stream.hangUp();
    expect((await list('?tenant=other')).status).toBe(403);
  });

  it('of some pools sees the events of those pools alone', async () => {
    await emitEvents(server.redis, 'pool.saved', { pool: 'web' });
    await emitEvents(server.redis, 'pool.saved', { pool: 'other' });
    await emitEvents(server.redis, 'alias.moved', { alias: 'stable' });
    http.actor = { ...admin, role: 'backend', pools: ['web'] };
    expect((await list('')).items.map((item) => item.pool)).toEqual(['web']);
    expect((await list('?pool=other')).status).toBe(403);
  });
});

describe('the list', () => {
  it('has every event once over its pages, newest first', async () => {
    for (const claim of ['a', 'b', 'c', 'd', 'e']) await emitEvents(server.redis, 'claim.active', { claim });
    const first = await list('?limit=2');
    const second = await list(`?limit=2&cursor=${first.nextCursor}`);
    const third = await list(`?limit=2&cursor=${second.nextCursor}`);
    expect([first, second, third].flatMap((page) => page.items.map((item) => item.claim))).toEqual(['e', 'd', 'c', 'b', 'a']);
    expect(third.nextCursor).toBeUndefined();
    const after = await list(`?after=${second.items[1]?.id}`);
    expect(after.items.map((item) => item.claim)).toEqual(['e', 'd', 'c']);
  });

  it('reads a bounded stretch of the stream at once, and goes on behind it', async () => {
    await emitEvents(server.redis, 'claim.active', { claim: 'rare' });
    await emitEvents(server.redis, 'instance.warm', {}, 10_000);
    const first = await list('?claim=rare');
    expect(first.items).toEqual([]);
    const second = await list(`?claim=rare&cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ items: [{ claim: 'rare' }] });
  });

  it.each(['after=x', 'after=1-2-3', 'type=a..b', 'type=', 'limit=0', 'pool=A', 'cursor=%00', 'cursor=YWJj'])(
    'refuses ?%s',
    async (query) => {
      expect((await list(`?${query}`)).status).toBe(422);
    },
  );
});
