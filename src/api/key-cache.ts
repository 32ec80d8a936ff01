import type { ApiKey } from './key.ts';

/** How old an answer may be: a deleted key is refused within this time. */
const freshMs = 1000;
const renewEveryMs = 700;
/** A key that is in use is looked up ahead of time, so that a claim asks Redis nothing for it. */
const inUseMs = 60_000;
/** Whoever tries many keys shall not fill the memory. */
const sizeMax = 1000;

interface Entry {
  readonly key: Promise<ApiKey | undefined>;
  readonly freshUntil: number;
  usedAt: number;
}

export interface KeyCache {
  /** By what `find` takes: the sha256 of a secret, or the id of a key. */
  lookUp(handle: string): Promise<ApiKey | undefined>;
}

export function createKeyCache(find: (handle: string) => Promise<ApiKey | undefined>): KeyCache {
  const entries = new Map<string, Entry>();
  const fetch = (handle: string, usedAt: number): Entry => {
    const entry = { key: find(handle), freshUntil: performance.now() + freshMs, usedAt };
    entry.key.catch(() => {
      if (entries.get(handle) === entry) entries.delete(handle); // Redis away: the next request asks again
    });
    return entry;
  };
  setInterval(() => void renew(entries, fetch), renewEveryMs).unref();
  return {
    lookUp: (handle) => {
      const now = performance.now();
      const known = entries.get(handle);
      if (known !== undefined && known.freshUntil > now) {
        known.usedAt = now;
        return known.key;
      }
      if (entries.size >= sizeMax) entries.clear();
      const entry = fetch(handle, now);
      entries.set(handle, entry);
      return entry.key;
    },
  };
}

/** Keys that are known and in use are asked for again before they are stale; an entry is replaced only by an answer. */
async function renew(entries: Map<string, Entry>, fetch: (handle: string, usedAt: number) => Entry): Promise<void> {
  for (const [handle, entry] of entries) {
    const isWanted = performance.now() - entry.usedAt < inUseMs && (await entry.key.catch(() => undefined)) !== undefined;
    if (!isWanted) {
      if (entry.freshUntil < performance.now()) entries.delete(handle);
      continue;
    }
    const next = fetch(handle, entry.usedAt);
    const isAnswered = await next.key.then(
      () => true,
      () => false,
    );
    if (isAnswered && entries.get(handle) === entry) entries.set(handle, { ...next, usedAt: entry.usedAt });
  }
}
