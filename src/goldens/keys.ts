import type { GoldenId } from '#src/platform/ids.ts';
import { keyPrefix } from '#src/platform/redis.ts';

/** Of the hashes: for the script that gives the number and so makes the id. */
export const goldenPrefix = `${keyPrefix}golden:`;
/** Of the hashes of failures, likewise. */
export const failuresPrefix = `${keyPrefix}golden-failures:`;

/** How long the record of a deleted golden can still be read. */
export const keepDeletedMs = 7 * 24 * 3_600_000;

/** Redis keys of the room. */
export const goldenKeys = {
  /** hash, one golden. */
  golden: (id: GoldenId) => `${goldenPrefix}${id}`,
  /** zset, number by number: a template's goldens, deleted ones left out. */
  ofTemplate: (template: string) => `${keyPrefix}goldens:${template}`,
  /** The last number that was given; numbers are never used twice. */
  number: (template: string) => `${keyPrefix}golden-number:${template}`,
  /** hash, alias → number. */
  aliases: (template: string) => `${keyPrefix}aliases:${template}`,
  /** hash, template → golden id: captures that have not ended, one a template. */
  captures: `${keyPrefix}captures`,
  /** hash: count, lastAt, problem. */
  failures: (id: GoldenId) => `${failuresPrefix}${id}`,
};
