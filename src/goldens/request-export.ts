import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { GoldenTargetText } from '#src/engine/golden-place.ts';
import type { Operation } from '#src/operations/operation.ts';
import { operationIdFor } from '#src/operations/operation-id-for.ts';
import { createOperation, getOperation } from '#src/operations/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { isSealed } from './golden.ts';
import type { RequestDeps } from './request-capture.ts';
import { notReady, requireGolden } from './store.ts';

export const exportKind = 'export-golden';

/** What an export was asked to do, as its operation keeps it. */
export const ExportParams = z.object({ to: GoldenTargetText, overwrite: z.boolean(), plain: z.boolean() });
export type ExportParams = z.infer<typeof ExportParams>;

/**
 * Starts the export of a golden on the node that has it. The same idempotency key answers the same operation for as long as it is kept. A
 * crash on the way is made good by reconcileGoldens. Throws golden_not_found, golden_not_ready or idempotency_key_reused.
 */
export async function requestExport(
  { redis, jobs }: RequestDeps,
  id: GoldenId,
  params: ExportParams,
  idempotencyKey?: string,
): Promise<Operation> {
  const operationId = operationIdFor(['export', id], idempotencyKey);
  const earlier = await getOperation(redis, operationId);
  if (earlier) return sameRequest(earlier, params);
  const golden = await requireGolden(redis, id);
  if (!isSealed(golden.state)) throw notReady(golden);
  const operation = await createOperation(redis, { id: operationId, kind: exportKind, target: id, params });
  await jobs.export(golden.node, operation.id);
  return operation;
}

function sameRequest(earlier: Operation, params: ExportParams): Operation {
  if (isDeepStrictEqual(ExportParams.parse(earlier.params), params)) return earlier;
  throw new ThawError('idempotency_key_reused', `the idempotency key was used for ${earlier.id} with another body`, {
    fix: 'Use a new key for another request.',
  });
}
