import { z } from '@hono/zod-openapi';

/** A field that the API has a name for but no behaviour: refused by that name, so that nobody believes it took effect. */
export const notSupportedYet = z
  .never({ error: 'not supported yet' })
  .optional()
  .openapi({ type: 'null', description: 'Not supported yet: refused when present' });
