import type { Engine } from '#src/engine/engine.ts';
import { type RestoreDeps, restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { describeFailure } from '#src/platform/errors.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import { condemnGolden } from './condemn-golden.ts';
import type { Golden } from './golden.ts';
import { requireUnique } from './require-unique.ts';
import { requireGolden } from './store.ts';
import { destroyWorkingInstances, recordWorkingInstance, workingInstances } from './working-instances.ts';

export interface VerifyDeps extends RestoreDeps {
  readonly engine: RestoreDeps['engine'] & Pick<Engine, 'verifyGolden'>;
}

/** The worker's part of a verify operation; a golden found corrupt is failed. A second run begins afresh; of an operation that has ended it does nothing. */
export async function runVerify(deps: VerifyDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  await runOperation(deps.redis, id, signal, async (step) => {
    const golden = await requireGolden(deps.redis, GoldenId.parse(operation.target));
    try {
      return { golden: golden.id, ...(await step('verify', (stop) => proveGolden(deps, golden, id, stop))) };
    } catch (error) {
      await condemnGolden(deps.redis, golden.id, describeFailure(error));
      throw error;
    }
  });
}

/**
 * Hashes the golden's files, then restores two clones until both are ready and, where the template has
 * `unique`, tell themselves apart, and destroys them whatever happens.
 * Throws golden_missing, golden_corrupt, not_unique or what the restore of a clone throws.
 */
export async function proveGolden(
  deps: VerifyDeps,
  golden: Golden,
  id: OperationId,
  signal: AbortSignal,
): Promise<{ restoreMs: number[] }> {
  try {
    await destroyWorkingInstances(deps, id);
    await deps.engine.verifyGolden(golden.id);
    const restoreMs: number[] = [];
    for (const clone of workingInstances(id).clones) {
      signal.throwIfAborted();
      await recordWorkingInstance(deps.redis, golden, clone, 'clone');
      await restoreInstance(deps, clone, signal);
      restoreMs.push((await getInstance(deps.redis, clone))?.timingsMs.total ?? 0);
    }
    if (golden.spec.unique) await requireUnique(deps, workingInstances(id).clones, golden.spec.unique, signal); // both live
    return { restoreMs };
  } finally {
    await destroyWorkingInstances(deps, id);
  }
}
