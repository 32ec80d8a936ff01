import { afterAll, beforeAll, expect, it } from 'vitest';
import { createThawClient } from '#src/client/client.ts';
import { fillPool, keyOf, startService, type TestService } from '#test/support/service.ts';

let service: TestService;
let url: string;
beforeAll(async () => {
  service = await startService();
  url = await service.listen();
  await fillPool(service, { ready: 3, max: 12 });
});
afterAll(() => service.close());

const key = keyOf('backend');

it('events come in order through breaks of the connection, none lost and none twice', async () => {
  const places: (string | null)[] = [];
  /** Breaks each connection after its first chunk with data. */
  const breaking = async (request: Request) => {
    if (!request.url.includes('/v1/events')) return fetch(request);
    places.push(request.headers.get('last-event-id'));
    const response = await fetch(request);
    let isBroken = false;
    const body = response.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          if (isBroken) return controller.error(new TypeError('the connection was reset'));
          controller.enqueue(chunk);
          isBroken = new TextDecoder().decode(chunk).includes('data:');
        },
      }),
    );
    return new Response(body ?? null, response);
  };
  const thaw = createThawClient({ url, key, fetch: breaking });
  const wanted: string[] = [];
  const claims = (async () => {
    for (let round = 0; round < 3; round++) {
      const held = await thaw.claim('web', { tenant: 'acme', waitMs: 5000 });
      await held.release();
      wanted.push(`${held.id} claim.active`, `${held.id} claim.released`);
    }
  })();
  const seen: string[] = [];
  for await (const { type, claim } of thaw.events({ type: 'claim.active,claim.released' }, { after: '0' })) {
    seen.push(`${claim} ${type}`);
    if (seen.length === 6) break;
  }
  await claims;
  expect(seen).toEqual(wanted);
  expect(places[0]).toBe('0');
  expect(places.length).toBeGreaterThan(1);
});

it('a break after a silence that is longer than the service may be away is no reason to give up', async () => {
  const withinMs = 50;
  const answers = [
    new ReadableStream({ start: (body) => void setTimeout(() => body.error(new TypeError('the connection was reset')), 2 * withinMs) }),
    'id: 1-0\ndata: {"type":"claim.lost"}\n\n',
  ];
  const thaw = createThawClient({ url, key, fetch: async () => new Response(answers.shift()), retry: { withinMs } });
  const events = thaw.events({}, { after: '0' });
  expect((await events.next()).value).toEqual({ type: 'claim.lost' });
  await events.return();
});

it('a service that stays away for longer than that is given up', async () => {
  const away = async () => Promise.reject(new TypeError('nobody listens'));
  const events = createThawClient({ url, key, fetch: away, retry: { withinMs: 50 } }).events();
  await expect(events.next()).rejects.toThrow('nobody listens');
});

it('following ends when the signal aborts', async () => {
  const stop = new AbortController();
  const followed = (async () => {
    for await (const _event of createThawClient({ url, key }).events({ type: 'claim.lost' }, { signal: stop.signal }))
      throw new Error('nothing was lost');
  })();
  stop.abort();
  await followed;
});

it('a refusal that does not pass is thrown', async () => {
  const events = createThawClient({ url, key: 'no-key-of-anybody' }).events();
  await expect(events.next()).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
});

it('a reader whose place is no longer kept is told', async () => {
  const gaps: (string | undefined)[] = [];
  const [first] = await service.redis.xrange('{thaw}:events', '-', '+', 'COUNT', 1);
  await service.redis.xtrim('{thaw}:events', 'MAXLEN', 1);
  const events = createThawClient({ url, key }).events({}, { after: first?.[0] ?? '', onGap: (after) => gaps.push(after) });
  await events.next();
  await events.return();
  expect(gaps).toEqual([first?.[0]]);
});
