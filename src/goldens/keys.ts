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
  /** list: how long the last restores for pools took (ms), the newest first. */
  restores: (id: GoldenId) => `${keyPrefix}golden-restores:${id}`,
  /** hash, alias → JSON {revision, moves}: where it pointed to, since when and by whom. */
  aliasMoves: (template: string) => `${keyPrefix}alias-moves:${template}`,
  /** hash, template → golden id: captures that have not ended, one a template. */
  captures: `${keyPrefix}captures`,
  /** set: goldens to be deleted once nothing runs on them. */
  retired: `${keyPrefix}retired-goldens`,
  /** hash, build:<class> → JSON, files:<node> → class: see builds/build.ts. Not there while the golden has no build but its own capture. */
  builds: (id: GoldenId) => `${keyPrefix}golden-builds:${id}`,
  /** hash, node → JSON {count, lastAt, problem}: restores that failed in a row. */
  failures: (id: GoldenId) => `${keyPrefix}restore-failures:${id}`,
};
