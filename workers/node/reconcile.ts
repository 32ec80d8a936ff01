import { type ReconcileGoldensDeps, reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { type ReconcileDeps, type Reconciled, reconcileNode } from '#src/instances/reconcile-node.ts';
import { getNode } from '#src/nodes/store.ts';

export interface ReconcileJobDeps extends ReconcileDeps, ReconcileGoldensDeps {
  readonly engine: ReconcileDeps['engine'] & ReconcileGoldensDeps['engine'];
  /** Of this boot; the one before stands in the last heartbeat. */
  readonly bootId: string;
}

/**
 * Makes records and reality of this node agree. At a worker's start it runs before the first heartbeat, which overwrites the
 * boot id that tells whether the machine was restarted; then on a period.
 */
export async function processReconcile(deps: ReconcileJobDeps): Promise<Reconciled> {
  const node = await getNode(deps.redis, deps.node);
  const reconciled = await reconcileNode(deps, node !== undefined && node.bootId !== deps.bootId);
  await reconcileGoldens(deps);
  return reconciled;
}
