import type { Engine } from '#src/engine/engine.ts';
import { hasEnded } from '#src/operations/operation.ts';
import { endOperation, getOperation, listUnfinishedOperations } from '#src/operations/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { GoldenJobs } from './golden-jobs.ts';
import { finishRetired } from './keep/finish-retired.ts';
import { removeGoldenFiles } from './keep/remove-golden-files.ts';
import { recordGoldenSizes } from './keep/tidy-goldens.ts';
import { captureKinds } from './request-capture.ts';
import { DryRunParams, dryRunKind } from './request-dry-run.ts';
import { exportKind } from './request-export.ts';
import { verifyKind } from './request-verify.ts';
import { getGolden, listCaptures, moveGolden } from './store.ts';
import { destroyWorkingInstances } from './working-instances.ts';

export interface ReconcileGoldensDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'listGoldens' | 'removeGolden' | 'goldenDisk' | 'destroy'>;
  readonly jobs: Pick<GoldenJobs, 'capture' | 'verify' | 'export' | 'dryRun'>;
  readonly node: string;
}

interface ReconciledGoldens {
  readonly removed: readonly GoldenId[];
  readonly failures: readonly { readonly golden: GoldenId; readonly error: unknown }[];
}

/**
 * Takes captures, verifies, exports and dry runs up again that a crash cut off, deletes retired goldens that nothing runs on any more, and removes golden files that nobody records any more (law 6).
 * One golden that fails keeps no other from its turn; its failure is answered.
 */
export async function reconcileGoldens(deps: ReconcileGoldensDeps): Promise<ReconciledGoldens> {
  const removed: GoldenId[] = [];
  const failures: { golden: GoldenId; error: unknown }[] = [];
  const attempt = (golden: GoldenId, work: Promise<void>) => work.catch((error: unknown) => void failures.push({ golden, error }));
  for (const id of await listCaptures(deps.redis)) await attempt(id, endLostCapture(deps, id));
  await resumeOperations(deps);
  await finishRetired(deps);
  // Files first: a golden is recorded before it has files, so that what is listed here is either recorded or garbage.
  for (const id of await deps.engine.listGoldens()) {
    const removal = removeGoldenFiles(deps, id).then((isRemoved) => void (isRemoved && removed.push(id)));
    await attempt(id, removal);
  }
  if (removed.length > 0) await recordGoldenSizes(deps);
  return { removed, failures };
}

/**
 * Asking for a job that is queued or under way changes nothing. A golden that is gone meanwhile ends its operation as failed; a capture whose
 * golden is ready only promotes it.
 */
async function resumeOperations({ redis, jobs, node }: ReconcileGoldensDeps): Promise<void> {
  for (const [kind, resume] of [
    ...captureKinds.map((kind) => [kind, jobs.capture] as const),
    [verifyKind, jobs.verify],
    [exportKind, jobs.export],
  ] as const) {
    for (const { id, target } of await listUnfinishedOperations(redis, kind)) {
      const golden = await getGolden(redis, GoldenId.parse(target));
      if (golden === undefined) await endOperation(redis, id, { state: 'failed', problem: describeFailure(goldenGone(target)) });
      else if (golden.node === node) await resume(node, id);
    }
  }
  for (const { id, params } of await listUnfinishedOperations(redis, dryRunKind)) {
    if (DryRunParams.parse(params).node === node) await jobs.dryRun(node, id);
  }
}

function goldenGone(id: string): ThawError {
  return new ThawError('golden_not_found', `golden ${id} was deleted before the operation had begun`, {
    fix: 'Ask for it with another golden.',
  });
}

/** A capture whose operation has ended, or was never recorded, ends too: no job comes for it any more. */
async function endLostCapture(deps: ReconcileGoldensDeps, id: GoldenId): Promise<void> {
  const { redis, node } = deps;
  const golden = await getGolden(redis, id);
  if (!golden || golden.node !== node) return;
  const operation = await getOperation(redis, golden.operation);
  if (operation && !hasEnded(operation.state)) return;
  await destroyWorkingInstances(deps, golden.operation);
  const never = new ThawError('cancelled', `the capture of ${id} was cut off before its operation was recorded`, {
    fix: 'Ask for it again.',
  });
  await moveGolden(redis, id, 'failed', { problem: operation?.problem ?? describeFailure(never) });
}
