import { z } from '@hono/zod-openapi';
import { Failure } from '#src/platform/failure.ts';
import { GoldenId } from '#src/platform/ids.ts';

/** What one clone took; times in ms. */
export const CloneFigures = z.object({
  restoreMs: z.number().openapi({ description: 'From the start of the restore until the clone was ready' }),
  hookMs: z.number().exactOptional().openapi({ description: 'The part of it that hooks.afterRestore took' }),
  readyMs: z.number().openapi({ description: 'The part of it in which the app was asked whether it is ready' }),
  memoryBytes: z.number().openapi({ description: 'What its cgroup held once it was ready' }),
});
export type CloneFigures = z.infer<typeof CloneFigures>;

/** What the last verify of a golden saw. Times in ms. */
export const Evidence = z.object({
  /** Since the epoch, by Redis' clock. */
  verifiedAt: z.number(),
  node: z.string(),
  clones: z.array(CloneFigures),
  comparedWith: z
    .object({ golden: GoldenId, restoreMs: z.number(), memoryBytes: z.number() })
    .exactOptional()
    .openapi({ description: 'What `stable` pointed to: the best of its clones, restored in turn with these' }),
  notCompared: z
    .string()
    .exactOptional()
    .openapi({ description: 'Why there is no such comparison although there was something to compare with' }),
  unique: z.boolean().exactOptional().openapi({ description: 'The clones told themselves apart; absent: not asked' }),
  smoke: z.object({ tookMs: z.number() }).exactOptional().openapi({ description: 'The smoke test, passed; absent: not made' }),
  problem: Failure.exactOptional().openapi({ description: 'Why the verify failed' }),
});
export type Evidence = z.infer<typeof Evidence>;
