import type { Operation } from '#src/operations/operation.ts';
import { operationIdFor } from '#src/operations/operation-id-for.ts';
import { createOperation, getOperation } from '#src/operations/store.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { requireRestorable } from './builds/require-restorable.ts';
import type { RequestDeps } from './request-capture.ts';
import { notReady, requireGolden } from './store.ts';

export const verifyKind = 'verify-golden';

/**
 * Starts a check of a ready golden: its files against their manifest, and two clones. The same idempotency key answers the same operation
 * for as long as it is kept. A crash on the way is made good by reconcileGoldens.
 * Throws golden_not_found, golden_not_ready, or golden_incompatible when its node was changed and has no build yet that it can restore.
 */
export async function requestVerify({ redis, jobs }: RequestDeps, id: GoldenId, idempotencyKey?: string): Promise<Operation> {
  const operationId = operationIdFor(['verify', id], idempotencyKey);
  const earlier = await getOperation(redis, operationId);
  if (earlier) return earlier;
  const golden = await requireGolden(redis, id);
  if (golden.state !== 'ready') throw notReady(golden);
  await requireRestorable(redis, golden, golden.node);
  const operation = await createOperation(redis, { id: operationId, kind: verifyKind, target: id, params: {} });
  await jobs.verify(golden.node, operation.id);
  return operation;
}
