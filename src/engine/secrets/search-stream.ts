import { behindBytes, type Extent, reachBytes, type SecretSearch } from './secret-search.ts';

const windowBytes = 2 * 1024 * 1024;

/**
 * Searches bytes that come in chunks of any size, in memory that does not grow with them; a secret that lies across chunks is found, and
 * each is found once. `extents`: what of the stream lies together, in order and without gaps; absent: all of it. Answers the number of bytes.
 */
export async function searchStream(
  { search }: SecretSearch,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  extents: readonly Extent[] | undefined,
  found: (kind: string) => void,
): Promise<number> {
  const window = Buffer.allocUnsafe(windowBytes);
  let base = 0; // where in the stream the window begins
  let filled = 0;
  let searched = 0;
  const searchWindow = (to: number) => {
    const extentAt = (at: number) => within(window.subarray(0, filled), base, extents && extentOf(extents, base + at));
    search(window.subarray(0, filled), searched, to, extentAt, found);
    const keptFrom = Math.max(0, to - behindBytes);
    window.copyWithin(0, keptFrom, filled);
    [base, filled, searched] = [base + keptFrom, filled - keptFrom, to - keptFrom];
  };
  for await (const chunk of chunks) {
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + windowBytes - filled);
      window.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled === windowBytes) searchWindow(windowBytes - reachBytes); // what begins in the rest is judged with what follows
    }
  }
  searchWindow(filled);
  return base + filled;
}

/** The part of the extent that is in the window, in the window's own places. */
function within(window: Buffer, base: number, extent: Extent | undefined): Extent {
  if (!extent) return { start: 0, end: window.length };
  return { start: Math.max(0, extent.start - base), end: Math.min(window.length, extent.end - base) };
}

/** Of sorted ones, by halving; what is behind the last lies together. */
function extentOf(extents: readonly Extent[], at: number): Extent {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((extents[middle]?.end ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return extents[low] ?? { start: extents.at(-1)?.end ?? 0, end: Number.MAX_SAFE_INTEGER };
}
