import type { PoolInstance } from './observe-pool.ts';

/** Far longer than it takes from a record to its job, so that only a crash between the two is caught. */
const patienceMs = 10_000;

/**
 * Instances that wait for a job which a crash may have swallowed: their record was written, the job perhaps not. Adding the
 * job again does no harm, because one that is queued or under way has the same id.
 */
export function findLostJobs(instances: readonly PoolInstance[], now: number): { restore: PoolInstance[]; destroy: PoolInstance[] } {
  const overdue = (state: PoolInstance['state']) => instances.filter((one) => one.state === state && now - one.stateAt > patienceMs);
  return { restore: overdue('restoring'), destroy: overdue('releasing') };
}
