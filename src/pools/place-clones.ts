import { breakerAllowance, openBreaker, tellBreaker } from './breaker.ts';
import { fillPlaces, type Place } from './fill-places.ts';
import { isOnItsWay, type ObservedNode, type ObservedPool, type PlanTarget, type Step } from './pool-plan.ts';

/** Restores of a pool that may be on their way to one node: a pool made larger by far does not fill the node's queue. */
const comingMax = 32;

/** `most`: clones that may be on their way to it. */
interface ClonePlace extends Place {
  /** Why it takes no more than `most` by itself, memory aside; undefined when what it has queued is enough for now. */
  readonly limit: string | undefined;
}

/**
 * Puts each clone on the node that then has the most memory left. Clones that are on their way to a node are taken off its
 * free memory, because its heartbeat may not know them yet. A node where the golden fails gets none while others can take them.
 */
export function placeClones(observed: ObservedPool, target: PlanTarget, count: number, now: number): { steps: Step[]; reason?: string } {
  if (count <= 0) return { steps: [] };
  const places = observed.nodes.filter((node) => node.refusal === undefined).map((node) => placeOn(node, observed, target, now));
  const left = fillPlaces(places, count, target.cloneBytes);
  const steps = places.flatMap((place): Step[] =>
    place.count === 0 ? [] : [{ kind: 'restore', node: place.node, golden: target.golden, count: place.count }],
  );
  const isQueued = places.some((place) => place.limit === undefined && place.count === place.most);
  return left === 0 || isQueued ? { steps } : { steps, reason: whyNot(observed, target, places, left) };
}

function placeOn({ name, memoryFreeBytes, failures }: ObservedNode, observed: ObservedPool, target: PlanTarget, now: number): ClonePlace {
  const coming = observed.instances.filter((one) => isOnItsWay(one) && one.node === name);
  const breaker = openBreaker(failures);
  const allowed = breakerAllowance(breaker, coming.filter((one) => one.golden === target.golden).length, now);
  return {
    node: name,
    freeBytes: memoryFreeBytes - coming.length * target.cloneBytes,
    count: 0,
    most: Math.min(allowed, Math.max(0, comingMax - coming.length)),
    limit: breaker && tellBreaker(breaker, target.golden, name, now),
  };
}

function whyNot({ nodes }: ObservedPool, { golden, cloneBytes }: PlanTarget, places: readonly ClonePlace[], left: number): string {
  const limits = places.flatMap((place) => place.limit ?? []);
  if (limits.length > 0 && limits.length === places.length) return few(limits);
  const megabytes = (bytes: number) => `${Math.floor(Math.max(0, bytes) / 2 ** 20)} MB`;
  const each = nodes.map(({ name, refusal, memoryFreeBytes }) => {
    const limit = places.find((place) => place.node === name)?.limit;
    return limit ?? `${name} ${refusal ?? `has ${megabytes(memoryFreeBytes)} free, a clone takes ${megabytes(cloneBytes)}`}`;
  });
  return `no node has room for ${left} more of ${golden}: ${each.length === 0 ? 'no node has reported' : few(each)}`;
}

function few(nodes: readonly string[]): string {
  return nodes.slice(0, 5).join('; ') + (nodes.length > 5 ? `; and ${nodes.length - 5} more nodes` : '');
}
