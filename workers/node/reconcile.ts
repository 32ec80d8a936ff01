import { type ReconcileBuildsDeps, reconcileBuilds } from '#src/goldens/builds/reconcile-builds.ts';
import { type ReconcileGoldensDeps, reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { type ReconcileDeps, type Reconciled, reconcileNode } from '#src/instances/reconcile-node.ts';
import { getNode } from '#src/nodes/store.ts';
import type { Logger } from '#src/platform/log.ts';

export interface ReconcileJobDeps extends ReconcileDeps, ReconcileGoldensDeps, ReconcileBuildsDeps {
  readonly engine: ReconcileDeps['engine'] & ReconcileGoldensDeps['engine'];
  readonly jobs: ReconcileGoldensDeps['jobs'] & ReconcileBuildsDeps['jobs'];
  /** Of this boot; the one before stands in the last heartbeat. */
  readonly bootId: string;
  readonly log: Pick<Logger, 'error'>;
}

/**
 * Makes records and reality of this node agree; what could not be is logged, and tried again by the next run. At a worker's start it runs
 * before the first heartbeat, which overwrites the boot id that tells whether the machine was restarted; then on a period.
 */
export async function processReconcile(deps: ReconcileJobDeps): Promise<Omit<Reconciled, 'failures'>> {
  const node = await getNode(deps.redis, deps.node);
  const { failures, ...counts } = await reconcileNode(deps, node !== undefined && node.bootId !== deps.bootId);
  for (const { instance, error } of failures) deps.log.error({ err: error, instance }, 'an instance could not be reconciled');
  const goldens = await reconcileGoldens(deps);
  for (const { golden, error } of goldens.failures) deps.log.error({ err: error, golden }, 'a golden could not be reconciled');
  await reconcileBuilds(deps).catch((error: unknown) => deps.log.error({ err: error }, 'the builds of this node could not be reconciled'));
  return counts;
}
