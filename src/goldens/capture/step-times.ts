import type { Golden } from '#src/goldens/golden.ts';
import { getOperation } from '#src/operations/store.ts';
import type { OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';

/** How long the steps of an operation took that have ended, to be kept on the golden for longer than the operation is. */
export async function stepTimes(redis: Redis, id: OperationId): Promise<NonNullable<Golden['steps']>> {
  const operation = await getOperation(redis, id);
  return (operation?.steps ?? []).flatMap(({ name, tookMs }) => (tookMs === undefined ? [] : [{ name, tookMs }]));
}
