import type { GoldenId } from '#src/platform/ids.ts';
import { keyPrefix } from '#src/platform/redis.ts';

/** How long the record of a deleted golden can still be read. */
export const keepDeletedMs = 7 * 24 * 3_600_000;

/** Redis keys of the room. */
export const goldenKeys = {
  /** hash, one golden. */
  golden: (id: GoldenId) => `${keyPrefix}golden:${id}`,
  /** zset, number by number: a template's goldens, deleted ones left out. */
  ofTemplate: (template: string) => `${keyPrefix}goldens:${template}`,
  /** The last number that was given; numbers are never used twice. */
  number: (template: string) => `${keyPrefix}golden-number:${template}`,
  /** hash, alias → number. */
  aliases: (template: string) => `${keyPrefix}aliases:${template}`,
  /** hash, template → golden id: captures that have not ended, one a template. */
  captures: `${keyPrefix}captures`,
  /** hash, node → JSON {count, lastAt, problem}: restores that failed in a row. */
  failures: (id: GoldenId) => `${keyPrefix}restore-failures:${id}`,
};
