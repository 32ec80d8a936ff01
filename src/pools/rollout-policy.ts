import { z } from '@hono/zod-openapi';

const limitError = 'a whole number from 0 to 10000, or a share of the instances kept ready from "0%" to "100%"';
const Limit = z.union(
  [
    z.number({ error: limitError }).int(limitError).min(0, limitError).max(10_000, limitError),
    z.string().regex(/^(?:100|\d{1,2})%$/, limitError),
  ],
  {
    error: limitError,
  },
);
export type RolloutLimit = z.infer<typeof Limit>;

const hourMs = 3_600_000;

/** How a pool changes over to another golden: new clones first, old ones as the new are warm. */
export const RolloutPolicy = z
  .strictObject({
    surge: Limit.default(1).openapi({ description: 'Clones beyond those kept ready that may live meanwhile; a share is rounded up' }),
    maxUnavailable: Limit.exactOptional().openapi({
      description:
        'How many of those kept ready may be missing meanwhile, but never all of them; a share is rounded down. Absent: none, or one where size.max leaves no room for a new clone beside the old ones',
    }),
    soakMs: z.number().int().min(0).max(hourMs).default(5000).openapi({
      description:
        'How long one of the first new clones must live before others follow; meanwhile the pool is kept full from the golden before',
    }),
    deadlineMs: z
      .number()
      .int()
      .min(1000)
      .max(24 * hourMs)
      .default(600_000)
      .openapi({
        description: 'A change that takes longer is `failed`; it goes on all the same',
      }),
    maxRestoreFactor: z.number().min(1.1).max(1000).default(3).openapi({
      description: 'The change is rolled back when the new golden is restored this many times slower than the old one was',
    }),
  })
  .refine(({ surge, maxUnavailable }) => !isZero(surge) || !isZero(maxUnavailable), {
    error: 'must not be 0 where surge is 0: no clone could be replaced',
    path: ['maxUnavailable'],
  })
  .openapi('RolloutPolicy');
export type RolloutPolicy = z.infer<typeof RolloutPolicy>;

function isZero(limit: RolloutLimit | undefined): boolean {
  return limit !== undefined && Number.parseInt(String(limit), 10) === 0;
}
