import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { jsonBody, jsonResponse, problemResponses } from '#src/platform/http/json.ts';
import { wholeNumber } from '#src/platform/http/whole-number.ts';
import { goldenId, Name } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { noteGolden } from './note-golden.ts';
import { Notes } from './notes.ts';
import { requireGolden } from './store.ts';
import { GoldenView, viewGolden } from './view.ts';

export interface NotesRoutesDeps {
  readonly redis: Redis;
}

const notesRoute = createRoute({
  ...requireRole('admin'),
  method: 'patch',
  path: '/v1/templates/{template}/goldens/{number}',
  operationId: 'noteGolden',
  summary: 'Write down what is to be known of a golden; nothing else of it ever changes',
  request: {
    params: z.object({ template: Name, number: wholeNumber({ min: 1, max: 999_999_999 }) }),
    body: jsonBody(z.strictObject({ notes: Notes }).openapi('GoldenNotes', { example: { notes: 'before the move to Java 25' } })),
  },
  responses: {
    200: jsonResponse('The golden', GoldenView),
    ...problemResponses('template_not_found', 'golden_not_found', 'malformed_json', 'unsupported_media_type'),
  },
});

export function notesRoutes(app: OpenAPIHono<AppEnv>, { redis }: NotesRoutesDeps): void {
  app.openapi(notesRoute, async (c) => {
    const { template, number } = c.req.valid('param');
    const { id } = await requireGolden(redis, goldenId(template, number));
    await noteGolden(redis, id, c.req.valid('json'));
    return c.json(viewGolden(await requireGolden(redis, id)), 200);
  });
}
