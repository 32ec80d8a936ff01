import { z } from '@hono/zod-openapi';

const Limit = z.number({ error: 'a whole number from 0 to 1000000' }).int().min(0).max(1_000_000);

/** What one tenant may have; a limit that is absent is none. 0 keeps the tenant out. */
export const TenantLimits = z
  .strictObject({
    held: Limit.exactOptional().openapi({ description: 'Live claims at once' }),
    claimsPerMinute: Limit.exactOptional(),
    waiting: Limit.exactOptional().openapi({ description: 'Claims in the waiting line at once' }),
  })
  .openapi('TenantLimits', { example: { held: 20, claimsPerMinute: 60, waiting: 5 } });
export type TenantLimits = z.infer<typeof TenantLimits>;
