import type { Operation } from '#src/operations/operation.ts';
import { createOperation } from '#src/operations/store.ts';
import { type GoldenId, newOperationId } from '#src/platform/ids.ts';
import type { RequestDeps } from './request-capture.ts';
import { notReady, requireGolden } from './store.ts';

export const verifyKind = 'verify-golden';

/**
 * Starts a check of a ready golden: its files against their manifest, and two clones. A crash on the way is made good by reconcileGoldens.
 * Throws golden_not_found or golden_not_ready.
 */
export async function requestVerify({ redis, jobs }: RequestDeps, id: GoldenId): Promise<Operation> {
  const golden = await requireGolden(redis, id);
  if (golden.state !== 'ready') throw notReady(golden);
  const operation = await createOperation(redis, { id: newOperationId(), kind: verifyKind, target: id, params: {} });
  await jobs.verify(golden.node, operation.id);
  return operation;
}
