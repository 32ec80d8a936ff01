import { z } from '@hono/zod-openapi';
import { text } from '#src/engine/targets.ts';

/** Shorter ones are found by chance in any memory. */
const Canary = text(1024).min(8);

/** Whether a golden's memory is searched for secrets before anything depends on it, and what a finding does. */
export const ScanPolicy = z
  .strictObject({
    policy: z
      .enum(['warn', 'block'])
      .default('warn')
      .openapi({ description: 'What a finding does: it is shown on the golden, or it also fails the capture' }),
    canaries: z.array(Canary).max(64).default([]).openapi({
      description:
        'Texts that no golden may hold, beside the known shapes of keys and tokens. Shown as `redacted-1`, `redacted-2`, …, which stand \
for what is stored when they are sent back. They are kept as they are: name markers made for this, or secrets of a test account',
    }),
  })
  .openapi('ScanPolicy', { example: { policy: 'block', canaries: ['canary-5b1f0c9e'] } });
