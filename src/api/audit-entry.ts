import { z } from '@hono/zod-openapi';
import { Role } from '#src/platform/http/access.ts';

/** One request that would change something, as the audit log keeps it: never a body, a query or a secret. */
export const AuditEntry = z
  .object({
    /** When it was answered. */
    at: z.iso.datetime(),
    requestId: z.string(),
    trace: z.string().optional().openapi({ description: 'The trace id of a request that is traced' }),
    key: z.string().optional().openapi({ description: 'Of the API key; of a tenant token `KEY/TENANT`', example: 'key-0123456789abcdef' }),
    name: z.string().optional().openapi({ description: 'Of the API key' }),
    role: Role.optional(),
    action: z.string().openapi({ description: 'The operationId, or `none` for a path without one', example: 'claimInstance' }),
    target: z.string().openapi({ description: 'Method and path', example: 'POST /v1/pools/web/claims' }),
    status: z.number().int(),
    code: z.string().optional().openapi({ description: 'Of the problem, when it was refused or failed' }),
    address: z.string().optional(),
    unrecorded: z.number().int().optional().openapi({
      description:
        'So many requests before this one are not in the log: too many without a valid key or over a rate limit, or Redis was away',
    }),
  })
  .openapi('AuditEntry');
export type AuditEntry = z.infer<typeof AuditEntry>;

/** The order in which entries go to Redis. */
export const auditFields = Object.keys(AuditEntry.shape).filter(isAuditField);

function isAuditField(name: string): name is keyof AuditEntry {
  return name in AuditEntry.shape;
}

/** As it lies in the stream. */
export const StoredAuditEntry = AuditEntry.extend({ status: z.coerce.number(), unrecorded: z.coerce.number().optional() });
