import { z } from '@hono/zod-openapi';
import { CronExpressionParser } from 'cron-parser';
import { messageOf } from '#src/platform/errors.ts';

const minuteMs = 60_000;

/** A zone that this machine's clock tables know. */
const Timezone = z.string().max(64).refine(isTimezone, 'a time zone such as Europe/Berlin or UTC');

/** When goldens are taken again by themselves, and whether `stable` then follows. */
export const RefreshPolicy = z
  .strictObject({
    cron: z
      .string()
      .min(9)
      .max(200)
      .exactOptional()
      .openapi({ description: 'Five fields, or six with seconds first', example: '0 4 * * 1' }),
    timezone: Timezone.default('UTC'),
    onDigestChange: z
      .strictObject({
        everyMs: z
          .number()
          .int()
          .min(10_000)
          .max(7 * 24 * 60 * minuteMs)
          .default(15 * minuteMs)
          .openapi({ description: 'How often the registry is asked' }),
      })
      .exactOptional()
      .openapi({
        description: "When the image's tag stands for other bytes than the newest golden was taken from; for images of registries",
      }),
    promote: z.enum(['auto', 'manual']).default('auto').openapi({
      description: 'auto: `stable` moves to each golden that is ready, unless its capture was asked not to; manual: only by hand',
    }),
  })
  .superRefine(({ cron, timezone }, ctx) => {
    const complaint = cron === undefined || !isTimezone(timezone) ? undefined : complainOfCron(cron, timezone);
    if (complaint !== undefined) ctx.addIssue({ code: 'custom', path: ['cron'], message: complaint });
  })
  .openapi('RefreshPolicy');
export type RefreshPolicy = z.infer<typeof RefreshPolicy>;

/**
 * By the parser that BullMQ computes the times with. What it takes beyond fields (`@daily`; `H`, which draws a time anew whenever it is
 * read) is left out: it would not be the same at each look.
 */
function complainOfCron(cron: string, tz: string): string | undefined {
  const fields = cron.trim().split(/\s+/).length;
  if (fields < 5 || fields > 6 || /[H@]/.test(cron.replaceAll(/THU|MARCH/gi, ''))) return 'five or six fields such as 0 4 * * 1';
  try {
    CronExpressionParser.parse(cron, { tz }).next();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}
