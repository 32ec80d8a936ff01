import { z } from '@hono/zod-openapi';

/** How many goldens of a template are kept. */
export const KeepPolicy = z
  .strictObject({
    last: z.number().int().min(1).max(1000).openapi({
      description:
        'When a capture has become ready, and before it is promoted, older goldens than this many of the newest ready ones are retired: \
they take no new clones and are deleted once none runs. Never one that an alias points to, that a pool names by \
number or that a rollout under way would go back to. Failed captures older than those kept go, too',
    }),
  })
  .openapi('KeepPolicy', {
    description: 'Absent: every golden is kept until it is deleted, or until the disk budget of its node needs the room',
    example: { last: 3 },
  });
