import type { OpenAPIHono } from '@hono/zod-openapi';
import { pino } from 'pino';
import { z } from 'zod';
import type { AppEnv, Role } from '#src/platform/http/access.ts';
import { problemHandler } from '#src/platform/http/on-error.ts';
import { newRouter } from '#src/platform/http/router.ts';

/** What tests read out of an answer to go on with; anything else is compared as a whole. */
const AnswerBody = z
  .looseObject({
    id: z.string(),
    etag: z.string(),
    createdAt: z.string(),
    state: z.string(),
    items: z.array(z.unknown()),
    steps: z.array(z.unknown()),
    errors: z.array(z.object({ path: z.string() })),
  })
  .partial();

interface RoomAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: z.infer<typeof AnswerBody>;
}

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<RoomAnswer>;

/** The routes of one room as a caller of this role meets them, without the server around them. */
export function roomApp(role: Role, mount: (app: OpenAPIHono<AppEnv>) => void): Call {
  const app = newRouter();
  app.use(async (c, next) => {
    c.set('actor', { keyId: 'key', role, name: 'test', address: '' });
    c.set('requestId', 'request');
    c.set('address', '');
    await next();
  });
  app.onError(problemHandler(pino({ level: 'silent' })));
  mount(app);
  return async (method, path, body, headers = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
    const response = await app.request(path, { method, headers, ...json });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: AnswerBody.parse(text === '' ? {} : JSON.parse(text)) };
  };
}
