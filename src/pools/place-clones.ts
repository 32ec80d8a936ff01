import type { ObservedPool, PlanTarget, Step } from './pool-plan.ts';

/**
 * Puts each clone on the node that then has the most memory left. Clones that are on their way to a node are taken off its
 * free memory, because its heartbeat may not know them yet.
 */
export function placeClones(observed: ObservedPool, target: PlanTarget, count: number): { steps: Step[]; reason?: string } {
  if (count <= 0) return { steps: [] };
  const places = observed.nodes
    .filter((node) => node.refusal === undefined)
    .map((node) => ({ node: node.name, freeBytes: node.memoryFreeBytes - comingTo(observed, node.name) * target.cloneBytes, count: 0 }));
  let left = count;
  for (; left > 0; left--) {
    const roomiest = places.reduce<(typeof places)[number] | undefined>(
      (best, place) => (best === undefined || place.freeBytes > best.freeBytes ? place : best),
      undefined,
    );
    if (roomiest === undefined || roomiest.freeBytes < target.cloneBytes) break;
    roomiest.freeBytes -= target.cloneBytes;
    roomiest.count++;
  }
  const steps = places.flatMap((place): Step[] =>
    place.count === 0 ? [] : [{ kind: 'restore', node: place.node, golden: target.golden, count: place.count }],
  );
  return left === 0 ? { steps } : { steps, reason: `no node has room for ${left} more of ${target.golden}: ${whyNot(observed, target)}` };
}

function comingTo(observed: ObservedPool, node: string): number {
  return observed.instances.filter((one) => one.tier === 'coming' && one.node === node).length;
}

function whyNot({ nodes }: ObservedPool, target: PlanTarget): string {
  if (nodes.length === 0) return 'no node has reported';
  const megabytes = (bytes: number) => `${Math.floor(Math.max(0, bytes) / 2 ** 20)} MB`;
  const each = nodes.map(
    (node) =>
      `${node.name} ${node.refusal ?? `has ${megabytes(node.memoryFreeBytes)} free, a clone takes ${megabytes(target.cloneBytes)}`}`,
  );
  return each.slice(0, 5).join('; ') + (each.length > 5 ? `; and ${each.length - 5} more nodes` : '');
}
