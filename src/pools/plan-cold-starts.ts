import { isOnItsWay, type ObservedInstance, type ObservedPool, type Step } from './pool-plan.ts';

/**
 * The last resort of claims that wait and would take a cold start: while no golden can be restored and none is being, as many are started
 * from the image as wait, where most memory is left. Cold instances are claimed as any others; those left over go as outdated ones do.
 */
export function planColdStarts({ cold, instances, held }: ObservedPool, max: number): Step[] {
  if (cold === undefined || instances.some((one) => isOnItsWay(one) && one.golden !== undefined)) return [];
  const idle = instances.filter((one) => one.tier !== 'held');
  const starting = idle.filter(isOnItsWay).length;
  const places = cold.nodes.map(({ name, memoryFreeBytes }) => ({ node: name, freeBytes: memoryFreeBytes, count: 0 }));
  for (let left = Math.min(cold.waiting - starting, max - held - idle.length); left > 0; left--) {
    const [roomiest] = places.toSorted((a, b) => b.freeBytes - a.freeBytes);
    if (roomiest === undefined || roomiest.freeBytes < cold.memoryBytes) break;
    roomiest.freeBytes -= cold.memoryBytes;
    roomiest.count++;
  }
  return places.flatMap(({ node, count }): Step[] => (count === 0 ? [] : [{ kind: 'start', node, count }]));
}

/** Cold starts under way that nobody waits for any more, the latest first: no pool is filled by them. */
export function abandonedStarts({ cold, instances }: ObservedPool): ObservedInstance[] {
  const starting = instances.filter((one) => isOnItsWay(one) && one.golden === undefined);
  return starting.toSorted((a, b) => b.since - a.since).slice(0, Math.max(0, starting.length - (cold?.waiting ?? 0)));
}
