import { createHash } from 'node:crypto';
import { type DestroyDeps, destroyInstance } from '#src/instances/destroy-instance.ts';
import { createInstance } from '#src/instances/store.ts';
import { InstanceId, type OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Golden } from './golden.ts';

/** The instances an operation on a golden works with. Their ids follow from the operation, so that a second run finds those of the first. */
export function workingInstances(operation: OperationId): { primer: InstanceId; clones: readonly InstanceId[] } {
  return { primer: derive(operation, 'primer'), clones: [derive(operation, 'clone 1'), derive(operation, 'clone 2')] };
}

/** They belong to no pool, so that no claim can meet them. */
export async function recordWorkingInstance(redis: Redis, golden: Golden, id: InstanceId, role: 'primer' | 'clone'): Promise<void> {
  const { template, node } = golden;
  if (role === 'primer') await createInstance(redis, { id, pool: '', template, node, role, state: 'starting' });
  else await createInstance(redis, { id, pool: '', template, node, role, state: 'restoring', golden: golden.id });
}

/** Nothing of them is left, whatever a run before has made. */
export async function destroyWorkingInstances(deps: DestroyDeps, operation: OperationId): Promise<void> {
  const { primer, clones } = workingInstances(operation);
  await Promise.all([primer, ...clones].map((id) => destroyInstance(deps, id)));
}

/** Hex digits are within the alphabet of ids. */
function derive(operation: OperationId, part: string): InstanceId {
  return InstanceId.parse(`ins-${createHash('sha256').update(`${operation} ${part}`).digest('hex').slice(0, 16)}`);
}
