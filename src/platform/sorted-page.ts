import { z } from 'zod';
import { decodeCursor, encodeCursor } from './http/list.ts';
import type { Redis } from './redis.ts';

export interface Ranked {
  readonly member: string;
  readonly score: number;
}

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

interface MemberPage {
  readonly members: string[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/**
 * One page of a zset in descending order. The cursor is the last member and its score, so that what comes and goes between two
 * pages neither repeats nor hides another member.
 */
export async function readNewest(redis: Redis, key: string, query: PageQuery): Promise<MemberPage> {
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor);
  const found: Ranked[] = [];
  for (let offset = 0; found.length <= query.limit; offset += query.limit + 1) {
    const batch = await readBatch(redis, key, after?.score ?? '+inf', offset, query.limit + 1);
    found.push(...batch.filter((item) => after === undefined || isAfter(item, after)));
    if (batch.length <= query.limit) break;
  }
  return cutPage(found, query.limit);
}

/** One page of a zset whose members all have the score 0, by name; the cursor is the last one. */
export async function readByName(redis: Redis, key: string, { limit, cursor }: PageQuery): Promise<MemberPage> {
  const after = cursor === undefined ? '-' : `(${decodeCursor(cursor)}`;
  const names = await redis.zrange(key, after, '+', 'BYLEX', 'LIMIT', 0, limit + 1);
  const members = names.slice(0, limit);
  const last = members.at(-1);
  return names.length > limit && last !== undefined ? { members, nextCursor: encodeCursor(last) } : { members };
}

/** The same page and the same cursors as of readNewest, over members that are at hand, in any order. */
export function pageOfNewest(items: readonly Ranked[], query: PageQuery): MemberPage {
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor);
  const rest = items.filter((item) => after === undefined || isAfter(item, after));
  return cutPage(
    rest.toSorted((a, b) => (isAfter(b, a) ? -1 : 1)),
    query.limit,
  );
}

function cutPage(found: readonly Ranked[], limit: number) {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const members = page.map((item) => item.member);
  return found.length > limit && last ? { members, nextCursor: encodeCursor(`${last.score} ${last.member}`) } : { members };
}

/** Redis orders members of one score by their bytes. */
function isAfter(item: Ranked, place: Ranked): boolean {
  return item.score < place.score || (item.score === place.score && item.member < place.member);
}

function parseCursor(cursor: string): Ranked {
  const [score = '', member = ''] = decodeCursor(cursor).split(' ', 2);
  return { score: Number(score) || 0, member };
}

async function readBatch(redis: Redis, key: string, from: number | string, offset: number, count: number): Promise<Ranked[]> {
  const reply = z.array(z.string()).parse(await redis.zrange(key, from, '-inf', 'BYSCORE', 'REV', 'LIMIT', offset, count, 'WITHSCORES'));
  return Array.from({ length: reply.length / 2 }, (_, i) => ({ member: reply[2 * i] ?? '', score: Number(reply[2 * i + 1]) }));
}
