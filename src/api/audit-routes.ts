import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type AppEnv, requireRole } from '#src/platform/http/access.ts';
import { problemResponses } from '#src/platform/http/json.ts';
import { ListQuery, pageOf } from '#src/platform/http/list.ts';
import type { Redis } from '#src/platform/redis.ts';
import { AuditEntry } from './audit-entry.ts';
import { type AuditFilter, listAudit, readAudit } from './read-audit.ts';

const jsonLines = 'application/x-ndjson';
const content: Record<string, { schema: z.ZodType }> = {
  'application/json': { schema: pageOf(AuditEntry) },
  [jsonLines]: { schema: z.string() },
};

const auditRoute = createRoute({
  ...requireRole('admin'),
  method: 'get',
  path: '/v1/audit',
  operationId: 'readAudit',
  summary: 'Read who changed what, newest first',
  description: `Every POST, PUT and DELETE with its outcome, also those that were refused; about the last million of them.
An entry is written within a tenth of a second after the answer: a process that is killed may lose its last ones.
With \`Accept: ${jsonLines}\` all that match are sent as JSON lines, oldest first; \`limit\` and \`cursor\` do not apply then.`,
  request: {
    query: ListQuery.extend({
      actor: z.string().min(1).max(200).optional().openapi({ description: 'Id or name of an API key' }),
      action: z.string().min(1).max(100).optional().openapi({ description: 'An operationId', example: 'claimInstance' }),
      since: z.iso
        .datetime()
        .transform((text) => Date.parse(text))
        .optional()
        .openapi({ type: 'string', format: 'date-time' }),
    }),
  },
  responses: {
    200: {
      description: 'Entries; a page may be short, even empty, though there is a `nextCursor`',
      content,
    },
    ...problemResponses(),
  },
});

export function auditRoutes(app: OpenAPIHono<AppEnv>, { redis }: { readonly redis: Redis }): void {
  app.openapi(auditRoute, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid('query');
    if (c.req.header('accept')?.includes(jsonLines)) return c.body(linesOf(redis, filter), 200, { 'Content-Type': jsonLines });
    return c.json(await listAudit(redis, filter, { limit, cursor }), 200);
  });
}

/** Read from Redis as fast as the client takes it, and no further. */
function linesOf(redis: Redis, filter: AuditFilter): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const batches = readAudit(redis, filter);
  return new ReadableStream({
    pull: async (controller) => {
      for (;;) {
        const { done, value } = await batches.next();
        if (done) return controller.close();
        if (value.length > 0) return controller.enqueue(encoder.encode(value.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
      }
    },
    cancel: async () => {
      await batches.return(undefined);
    },
  });
}
