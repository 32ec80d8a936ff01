import { fillPlaces } from './fill-places.ts';
import { isOnItsWay, type ObservedInstance, type ObservedPool, type Step } from './pool-plan.ts';

/**
 * The last resort of claims that wait and would take a cold start: one instance is started from the image for each of them, on the node with
 * most free memory. While a clone is on its way nothing is started; the caller asks only when it restores none. A cold instance is claimed as
 * any other; one that nobody takes is destroyed as a clone of an outdated golden is.
 */
export function planColdStarts({ cold, instances, held }: ObservedPool, max: number): Step[] {
  if (cold === undefined || instances.some((one) => isOnItsWay(one) && one.golden !== undefined)) return [];
  const idle = instances.filter((one) => one.tier !== 'held');
  const starting = idle.filter(isOnItsWay).length;
  const places = cold.nodes.map(({ name, memoryFreeBytes }) => {
    return { node: name, freeBytes: memoryFreeBytes, count: 0, most: Number.POSITIVE_INFINITY };
  });
  fillPlaces(places, Math.min(cold.waiting - starting, max - held - idle.length), cold.memoryBytes);
  return places.flatMap(({ node, count }): Step[] => (count === 0 ? [] : [{ kind: 'start', node, count }]));
}

/** Cold starts under way that nobody waits for any more, the latest first: no pool is filled by them. */
export function abandonedStarts({ cold, instances }: ObservedPool): ObservedInstance[] {
  const starting = instances.filter((one) => isOnItsWay(one) && one.golden === undefined);
  return starting.toSorted((a, b) => b.since - a.since).slice(0, Math.max(0, starting.length - (cold?.waiting ?? 0)));
}
