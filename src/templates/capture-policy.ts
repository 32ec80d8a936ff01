import { z } from '@hono/zod-openapi';

/** How a primer of the template is checkpointed. */
export const CapturePolicy = z.strictObject({
  settleMs: z
    .number()
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .openapi({ description: 'So long the app must stay ready, without a miss, before the checkpoint' }),
  connections: z.enum(['close', 'refuse']).default('close').openapi({
    description: 'Established TCP connections of the app: closed by the checkpoint and listed on the golden, or a reason to refuse it',
  }),
});
export type CapturePolicy = z.infer<typeof CapturePolicy>;
