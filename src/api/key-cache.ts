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
  lookUp(sha256: string): Promise<ApiKey | undefined>;
}

export function createKeyCache(find: (sha256: string) => Promise<ApiKey | undefined>): KeyCache {
  const entries = new Map<string, Entry>();
  const fetch = (sha256: string, usedAt: number): Entry => {
    const entry = { key: find(sha256), freshUntil: performance.now() + freshMs, usedAt };
    entry.key.catch(() => {
      if (entries.get(sha256) === entry) entries.delete(sha256); // Redis away: the next request asks again
    });
    return entry;
  };
  setInterval(() => void renew(entries, fetch), renewEveryMs).unref();
  return {
    lookUp: (sha256) => {
      const now = performance.now();
      const known = entries.get(sha256);
      if (known !== undefined && known.freshUntil > now) {
        known.usedAt = now;
        return known.key;
      }
      if (entries.size >= sizeMax) entries.clear();
      const entry = fetch(sha256, now);
      entries.set(sha256, entry);
      return entry.key;
    },
  };
}

/** Keys that are known and in use are asked for again before they are stale; an entry is replaced only by an answer. */
async function renew(entries: Map<string, Entry>, fetch: (sha256: string, usedAt: number) => Entry): Promise<void> {
  for (const [sha256, entry] of entries) {
    const isWanted = performance.now() - entry.usedAt < inUseMs && (await entry.key.catch(() => undefined)) !== undefined;
    if (!isWanted) {
      if (entry.freshUntil < performance.now()) entries.delete(sha256);
      continue;
    }
    const next = fetch(sha256, entry.usedAt);
    const isAnswered = await next.key.then(
      () => true,
      () => false,
    );
    if (isAnswered && entries.get(sha256) === entry) entries.set(sha256, { ...next, usedAt: entry.usedAt });
  }
}
