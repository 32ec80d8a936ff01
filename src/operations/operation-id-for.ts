import { createHash } from 'node:crypto';
import { newOperationId, OperationId } from '#src/platform/ids.ts';

/**
 * The id of an operation that is asked for: without an idempotency key a new one; with one always the same for the same `action`, so that
 * nothing else needs to remember it. Hex digits are within the alphabet of ids.
 */
export function operationIdFor(action: readonly string[], idempotencyKey: string | undefined): OperationId {
  if (idempotencyKey === undefined) return newOperationId();
  const digest = createHash('sha256')
    .update(JSON.stringify([...action, idempotencyKey]))
    .digest('hex');
  return OperationId.parse(`op-${digest.slice(0, 16)}`);
}
