import type { Logger } from '#src/platform/log.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type AuditEntry, auditFields } from './audit-entry.ts';

const appendScript = loadLuaScript(import.meta.url, './lua/append-audit.lua');

/** stream, one entry per request that would change something. */
export const auditKey = `${keyPrefix}audit`;
const keptEntries = 1_000_000;

const flushAfterMs = 100;
const retryAfterMs = 1000;
const batchSize = 500;
/** What waits for a Redis that is away; beyond it the oldest are counted only. */
const waitingMax = 10_000;

export interface AuditLog {
  /** Costs the request next to nothing: entries are written together, a moment later. */
  append(entry: AuditEntry): void;
  /** The next entry tells that so many before it are missing. */
  leaveOut(count: number): void;
  /** Writes what is left. */
  close(): Promise<void>;
}

/**
 * The log is append-only and not part of a request's outcome: a process that is killed loses its last tenth of a second, and a write whose
 * answer got lost is repeated, so that its entries may be there twice (by requestId).
 */
export function openAuditLog({ redis, log }: { readonly redis: Redis; readonly log: Pick<Logger, 'error'> }): AuditLog {
  let waiting: AuditEntry[] = [];
  let unrecorded = 0;
  let isFailing = false;
  let timer: NodeJS.Timeout | undefined;
  let flushing = Promise.resolve();

  const flushSoon = (afterMs: number) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flushing = flushing.then(flush);
    }, afterMs).unref();
  };
  const flush = async () => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchSize);
      try {
        await write(redis, batch);
        isFailing = false;
      } catch (err) {
        waiting = [...batch, ...waiting];
        if (!isFailing) log.error({ err }, `the audit log can not be written; it is tried again every ${retryAfterMs} ms`);
        isFailing = true;
        return flushSoon(retryAfterMs);
      }
    }
  };
  return {
    append: (entry) => {
      if (waiting.length >= waitingMax) {
        unrecorded += batchSize;
        waiting = waiting.slice(batchSize);
      }
      waiting.push(unrecorded === 0 ? entry : { ...entry, unrecorded });
      unrecorded = 0;
      flushSoon(flushAfterMs);
    },
    leaveOut: (count) => {
      unrecorded += count;
    },
    close: async () => {
      clearTimeout(timer);
      await flushing;
      await flush();
      clearTimeout(timer);
    },
  };
}

async function write(redis: Redis, entries: readonly AuditEntry[]): Promise<void> {
  const values = entries.flatMap((entry) => auditFields.map((field) => entry[field] ?? ''));
  await appendScript.run(redis, [auditKey], [keptEntries, auditFields.length, ...auditFields, ...values]);
}
