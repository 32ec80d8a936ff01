import { z } from '@hono/zod-openapi';
import { TenantLimits } from '#src/pools/tenant-limits.ts';

/** What a tenant may have in all pools together, and what it has. Tenants are not created: any name is one. */
export const TenantView = z
  .object({
    tenant: z.string(),
    limits: TenantLimits,
    held: z.number().int().openapi({ description: 'Live claims' }),
    waiting: z.number().int().openapi({ description: 'Claims in a waiting line' }),
    lastClaimAt: z.iso.datetime().optional(),
    etag: z.string().openapi({ description: 'Of the limits' }),
  })
  .openapi('Tenant', {
    example: {
      tenant: 'acme',
      limits: { held: 20 },
      held: 3,
      waiting: 0,
      lastClaimAt: '2030-01-01T00:00:00.000Z',
      etag: '44136fa355b3678a',
    },
  });
export type TenantView = z.infer<typeof TenantView>;

/** What a tenant has used since its first claim. */
export const TenantUsage = z
  .object({
    tenant: z.string(),
    claims: z.number().int().openapi({ description: 'Claims that got an instance' }),
    instanceSeconds: z.number().openapi({ description: 'Of ended claims, and of live ones until now' }),
    live: z.number().int().openapi({ description: 'Claims that hold an instance now' }),
    since: z.iso.datetime().optional().openapi({ description: 'When counting began; absent before the first claim' }),
  })
  .openapi('TenantUsage', {
    example: { tenant: 'acme', claims: 412, instanceSeconds: 86_400.25, live: 3, since: '2030-01-01T00:00:00.000Z' },
  });
export type TenantUsage = z.infer<typeof TenantUsage>;
