import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Clock } from '#src/platform/clock.ts';
import { type EventFilter, EventPlace, searchEvents, ThawEvent } from '#src/platform/events.ts';
import type { EventFeed } from '#src/platform/events-feed.ts';
import { type Actor, type AppEnv, assertPoolAllowed, assertTenantAllowed, requireRole, visibleTenant } from '#src/platform/http/access.ts';
import { problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import { Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { eventStream } from './events-stream.ts';

export interface EventsRoutesDeps {
  readonly redis: Redis;
  readonly events: EventFeed;
  readonly clock: Clock;
}

const EventView = ThawEvent.extend({ at: z.iso.datetime() }).openapi('Event', {
  example: {
    ...{ id: '1767225600000-0', at: '2026-01-01T00:00:00.000Z', type: 'claim.active', claim: 'clm-0123456789abcdef' },
    ...{ tenant: 'acme', pool: 'search', instance: 'ins-0123456789abcdef' },
  },
});

const Types = z
  .string()
  .regex(/^[a-z_]+(\.[a-z_]+)?(,[a-z_]+(\.[a-z_]+)?){0,31}$/, 'types such as claim.active, or nouns such as claim, separated by commas')
  .openapi({ description: 'Types (`claim.active`) or nouns (`claim`), separated by commas', example: 'claim,instance.warm' });
const Value = z.string().min(1).max(128);

const eventsRoute = createRoute({
  ...requireRole('admin', 'backend', 'tenant'),
  method: 'get',
  path: '/v1/events',
  operationId: 'listEvents',
  summary: 'Follow what happens as server-sent events; or, with `Accept: application/json`, list what happened, newest first',
  description: `The \`id\` of each message is a place to go on from after a break, by \`Last-Event-ID\` or \`?after=\`. When events after that place are
no longer kept, a message of the event \`gap\` comes first. A comment is sent at least every 20 s. Each key sees what is in its scope.`,
  request: {
    headers: z.object({ 'last-event-id': EventPlace.optional() }),
    query: ListQuery.extend({
      after: EventPlace.optional().openapi({ description: 'Only what happened after this event; `0`: all that is kept' }),
      type: Types.optional(),
      claim: Value.optional(),
      pool: Name.optional(),
      tenant: Value.optional(),
      instance: Value.optional(),
      template: Name.optional(),
    }),
  },
  responses: {
    200: {
      description: 'Events',
      content: { 'text/event-stream': { schema: z.string() }, 'application/json': { schema: pageOf(EventView) } },
    },
    ...problemResponses(),
  },
});

export function eventsRoutes(app: OpenAPIHono<AppEnv>, { redis, events, clock }: EventsRoutesDeps): void {
  app.openapi(eventsRoute, async (c) => {
    const { limit, cursor, type, after, ...named } = c.req.valid('query');
    const actor = c.get('actor');
    const filter = scopedFilter(actor, { ...named, types: type?.split(',') });
    const show = (event: ThawEvent) => viewEvent(actor, event);
    if (prefersJson(c.req.header('accept'))) {
      const { items, ...next } = await searchEvents(redis, { limit, cursor, after, filter });
      return c.json({ items: items.map(show), ...next }, 200);
    }
    const place = c.req.valid('header')['last-event-id'] ?? after;
    const stream = eventStream({ feed: events, clock }, { after: place, filter, show });
    return new Response(ReadableStream.from(stream), {
      // Closed after its end: a server that stops would wait for a connection that is kept alive.
      headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no', Connection: 'close' },
    });
  });
}

/** The filter that was asked for, within what the key may see. Throws forbidden when it names what is outside. */
function scopedFilter(actor: Actor, filter: EventFilter): EventFilter {
  if (filter.tenant !== undefined) assertTenantAllowed(actor, filter.tenant);
  if (filter.pool !== undefined) assertPoolAllowed(actor, filter.pool);
  return { ...filter, tenant: visibleTenant(actor) ?? filter.tenant, pools: actor.pools };
}

/** Tenants never see nodes, nor who else acted on what is theirs. */
function viewEvent({ role }: Actor, { node, actor, ...event }: ThawEvent): z.infer<typeof EventView> {
  return { ...event, at: new Date(event.at).toISOString(), ...(role === 'tenant' ? {} : { node, actor }) };
}

function prefersJson(accept = ''): boolean {
  return accept.includes('application/json') && !accept.includes('text/event-stream');
}
