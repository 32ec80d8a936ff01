import { describeFailure, ThawError } from '#src/platform/errors.ts';
import type { OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { cancelledError, type Operation } from './operation.ts';
import { endOperation, requireOperation } from './store.ts';

/**
 * Ends an operation early; cancelling it again answers the same. Its worker notices within a second and cleans up.
 * Throws operation_not_found, or invalid_transition when it has succeeded or failed.
 */
export async function cancelOperation(redis: Redis, id: OperationId): Promise<Operation> {
  await requireOperation(redis, id);
  await endOperation(redis, id, { state: 'cancelled', problem: describeFailure(cancelledError(id)) });
  const operation = await requireOperation(redis, id);
  if (operation.state === 'cancelled') return operation;
  throw new ThawError('invalid_transition', `operation ${id} has ${operation.state} and can not be cancelled`, {
    fix: 'Only queued and running operations can be cancelled.',
  });
}
