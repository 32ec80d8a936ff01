import { createHash } from 'node:crypto';
import { type DestroyDeps, destroyInstance } from '#src/instances/destroy-instance.ts';
import { createInstance } from '#src/instances/store.ts';
import { InstanceId, type OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Golden } from './golden.ts';

interface WorkingInstances {
  readonly primer: InstanceId;
  /** Of the golden that is verified. */
  readonly clones: readonly InstanceId[];
  /** Of the golden that it is compared with. */
  readonly peer: InstanceId;
}

/** The instances an operation on a golden works with. Their ids follow from the operation, so that a second run finds those of the first. */
export function workingInstances(operation: OperationId): WorkingInstances {
  const clones = [derive(operation, 'clone 1'), derive(operation, 'clone 2')];
  return { primer: derive(operation, 'primer'), clones, peer: derive(operation, 'peer') };
}

/** They belong to no pool, so that no claim can meet them. */
export async function recordWorkingInstance(redis: Redis, golden: Golden, id: InstanceId, role: 'primer' | 'clone'): Promise<void> {
  const { template, node } = golden;
  if (role === 'primer') await createInstance(redis, { id, pool: '', template, node, role, state: 'starting' });
  else await createInstance(redis, { id, pool: '', template, node, role, state: 'restoring', golden: golden.id });
}

/** Nothing of them is left, whatever a run before has made. */
export async function destroyWorkingInstances(deps: DestroyDeps, operation: OperationId): Promise<void> {
  const { primer, clones, peer } = workingInstances(operation);
  await Promise.all([primer, ...clones, peer].map((id) => destroyInstance(deps, id)));
}

/** Hex digits are within the alphabet of ids. */
function derive(operation: OperationId, part: string): InstanceId {
  return InstanceId.parse(`ins-${createHash('sha256').update(`${operation} ${part}`).digest('hex').slice(0, 16)}`);
}
