import { z } from '@hono/zod-openapi';
import { ExecTarget, HttpTarget } from '#src/engine/targets.ts';

/** One request or one command that tells whether a clone does its work, beyond being ready. */
const SmokeTest = z
  .strictObject({
    http: z
      .strictObject({
        ...HttpTarget.shape,
        method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET'),
        body: z.string().max(65_536).exactOptional(),
        status: z.number().int().min(200).max(599).exactOptional().openapi({ description: 'What must be answered; absent: 200 to 399' }),
      })
      .exactOptional(),
    exec: ExecTarget.exactOptional().openapi({ description: 'Must end with exit code 0' }),
    timeoutMs: z.number().int().min(10).max(600_000).default(30_000),
  })
  .refine(({ http, exec }) => (http === undefined) !== (exec === undefined), 'exactly one of http and exec');
export type SmokeTest = z.infer<typeof SmokeTest>;

const factor = z.number().min(1).max(1000);

/** What a golden must show, beside two clones that are ready, before anything depends on it. */
export const VerifyPolicy = z.strictObject({
  smoke: SmokeTest.exactOptional(),
  maxRestoreFactor: factor.default(3).openapi({ description: 'How many times the restore time of the golden that `stable` points to' }),
  maxMemoryFactor: factor.default(2).openapi({ description: "How many times the memory of that golden's clones" }),
});
export type VerifyPolicy = z.infer<typeof VerifyPolicy>;
