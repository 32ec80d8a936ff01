import { z } from '@hono/zod-openapi';

/** What whoever asks for a golden writes down of it. */
export const Notes = z.string().max(4096).openapi({ example: 'the release of Tuesday, with the new search index' });
