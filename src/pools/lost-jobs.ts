import type { PoolInstance } from './observe-pool.ts';

/** Far longer than it takes from a record to its job, so that only a crash between the two is caught. */
const patienceMs = 10_000;

export interface LostJobs {
  readonly node: string;
  readonly kind: 'restore' | 'start' | 'destroy';
  readonly ids: readonly PoolInstance['id'][];
}

/**
 * Instances that wait for a job which a crash may have swallowed: their record was written, the job perhaps not. Adding the
 * job again does no harm, because one that is queued or under way has the same id.
 */
export function findLostJobs(instances: readonly PoolInstance[], now: number): LostJobs[] {
  const overdue = (state: PoolInstance['state'], kind: LostJobs['kind']) => {
    const late = instances.filter((one) => one.state === state && now - one.stateAt > patienceMs);
    return [...Map.groupBy(late, (one) => one.node)].map(([node, some]) => ({ node, kind, ids: some.map((one) => one.id) }));
  };
  return [...overdue('restoring', 'restore'), ...overdue('starting', 'start'), ...overdue('releasing', 'destroy')];
}
