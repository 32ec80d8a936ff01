import type { Engine } from '#src/engine/engine.ts';
import { parseGoldenPlace } from '#src/engine/golden-place.ts';
import { runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { describeFailure } from '#src/platform/errors.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { condemnGolden } from './condemn-golden.ts';
import { ExportParams } from './request-export.ts';

export interface ExportDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'exportGolden'>;
}

/**
 * The worker's part of an export: pack, push. A second run begins afresh, what the first left half-made being gone; of an operation that has
 * ended it does nothing. A golden found corrupt is failed.
 */
export async function exportGolden(deps: ExportDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  const golden = GoldenId.parse(operation.target);
  const { to, ...options } = ExportParams.parse(operation.params);
  await runOperation(deps.redis, id, signal, async (step) => {
    try {
      return { golden, to, ...(await deps.engine.exportGolden(golden, parseGoldenPlace(to), options, step)) };
    } catch (error) {
      await condemnGolden(deps.redis, golden, describeFailure(error));
      throw error;
    }
  });
}
