import { z } from 'zod';
import { decodeCursor, encodeCursor, type ListQuery, type Page } from '#src/platform/http/list.ts';
import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type AuditEntry, StoredAuditEntry } from './audit-entry.ts';
import { auditKey } from './audit-log.ts';

export interface AuditFilter {
  /** Id or name of an API key. */
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  /** Written at this time or later; ms since the epoch. */
  readonly since?: number | undefined;
}

const batchSize = 500;
/** Entries that one request looks at, so that a filter that matches little does not hold up claims. */
const lookedMax = 10_000;

const Stored = z.array(z.tuple([z.string(), z.array(z.string())]));
type Found = { readonly id: string; readonly entry: AuditEntry };

/**
 * Newest first. A page may be short, even empty, though there is a next one: no request looks at more than 10,000 entries.
 * Throws validation_failed for a cursor that is none.
 */
export async function listAudit(redis: Redis, filter: AuditFilter, page: ListQuery): Promise<Page<AuditEntry>> {
  const items: AuditEntry[] = [];
  let end = page.cursor === undefined ? '+' : `(${streamIdOf(page.cursor)}`;
  for (let looked = 0; looked < lookedMax; looked += batchSize) {
    const batch = parseBatch(await redis.xrevrange(auditKey, end, oldest(filter), 'COUNT', batchSize));
    for (const { id, entry } of batch) {
      end = `(${id}`;
      if (matches(entry, filter)) items.push(entry);
      if (items.length === page.limit) return { items, nextCursor: encodeCursor(id) };
    }
    if (batch.length < batchSize) return { items };
  }
  return { items, nextCursor: encodeCursor(end.slice(1)) };
}

/** All that match, oldest first, in batches; those that are written meanwhile too. */
export async function* readAudit(redis: Redis, filter: AuditFilter): AsyncGenerator<AuditEntry[]> {
  let start = oldest(filter);
  for (;;) {
    const batch = parseBatch(await redis.xrange(auditKey, start, '+', 'COUNT', batchSize));
    yield batch.flatMap(({ entry }) => (matches(entry, filter) ? [entry] : []));
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) return;
    start = `(${last.id}`;
  }
}

/** Ids of a stream begin with the time of Redis. */
function oldest({ since }: AuditFilter): string {
  return since === undefined ? '-' : String(since);
}

function matches(entry: AuditEntry, { actor, action }: AuditFilter): boolean {
  return (actor === undefined || entry.key === actor || entry.name === actor) && (action === undefined || entry.action === action);
}

function parseBatch(reply: unknown): Found[] {
  return Stored.parse(reply).map(([id, fields]) => {
    const values = Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? '']));
    return { id, entry: StoredAuditEntry.parse(values) };
  });
}

function streamIdOf(cursor: string): string {
  const id = decodeCursor(cursor);
  if (/^\d{1,16}-\d{1,16}$/.test(id)) return id;
  throw validationFailed([{ in: 'query', path: 'cursor', message: 'not one that a list answered' }]);
}
