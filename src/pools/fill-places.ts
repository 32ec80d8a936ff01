/** A node as a plan fills it. */
export interface Place {
  readonly node: string;
  freeBytes: number;
  /** How many the plan puts on it. */
  count: number;
  readonly most: number;
}

/** Puts up to `count` on the places, each where then most memory is left. Answers how many found no room. */
export function fillPlaces(places: readonly Place[], count: number, bytesEach: number): number {
  for (let left = count; left > 0; left--) {
    const roomiest = places
      .filter((place) => place.count < place.most && place.freeBytes >= bytesEach)
      .reduce<Place | undefined>((best, place) => (best === undefined || place.freeBytes > best.freeBytes ? place : best), undefined);
    if (roomiest === undefined) return left;
    roomiest.freeBytes -= bytesEach;
    roomiest.count++;
  }
  return 0;
}
