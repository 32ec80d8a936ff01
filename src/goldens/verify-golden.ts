import { runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { describeFailure } from '#src/platform/errors.ts';
import type { Failure } from '#src/platform/failure.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import { redisTimeMs } from '#src/platform/redis.ts';
import { requireRestorable } from './builds/require-restorable.ts';
import { condemnGolden } from './condemn-golden.ts';
import type { Evidence } from './evidence.ts';
import type { Golden } from './golden.ts';
import { noteGolden } from './note-golden.ts';
import { requireGolden } from './store.ts';
import { type JudgeDeps, judgeClones, type Seen } from './verify/judge-clones.ts';
import { bestOf } from './verify/require-no-regression.ts';
import { destroyWorkingInstances } from './working-instances.ts';

export type VerifyDeps = JudgeDeps;

/**
 * The worker's part of a verify operation, which renews the evidence of a ready golden. One found corrupt is failed; of any other failure the
 * operation and the evidence tell, and the golden stays as it is: what runs on it is served, and whoever set an alias decides.
 * A second run begins afresh; of an operation that has ended it does nothing.
 */
export async function runVerify(deps: VerifyDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  await runOperation(deps.redis, id, signal, async (step) => {
    const golden = await requireGolden(deps.redis, GoldenId.parse(operation.target));
    try {
      await requireRestorable(deps.redis, golden, golden.node); // asked for before the machine was changed, it says nothing of the files
      const { clones } = await step('verify', (stop) => proveGolden(deps, golden, id, stop));
      return { golden: golden.id, ...bestOf(clones) };
    } catch (error) {
      await condemnGolden(deps.redis, golden.id, describeFailure(error), golden.node);
      throw error;
    }
  });
}

/**
 * Has two clones of a golden prove themselves, keeps what they showed as its evidence, and destroys them whatever happens. Evidence is kept of a
 * failure too, unless that says nothing of the golden (no memory left, cancelled).
 * Throws golden_missing, golden_corrupt, not_unique, smoke_failed, golden_regressed or what the restore of a clone throws.
 */
export async function proveGolden(deps: VerifyDeps, golden: Golden, id: OperationId, signal: AbortSignal): Promise<Evidence> {
  const seen: Seen = { clones: [] };
  try {
    await destroyWorkingInstances(deps, id);
    await judgeClones(deps, golden, id, seen, signal);
    return await keepEvidence(deps, golden, seen);
  } catch (error) {
    const problem = describeFailure(error);
    if (!signal.aborted && isVerdict(problem)) await keepEvidence(deps, golden, { ...seen, problem });
    throw error;
  } finally {
    await destroyWorkingInstances(deps, id);
  }
}

function isVerdict({ class: kind }: Failure): boolean {
  return kind === 'golden' || kind === 'template';
}

async function keepEvidence({ redis }: VerifyDeps, { id, node }: Golden, seen: Omit<Evidence, 'verifiedAt' | 'node'>): Promise<Evidence> {
  const evidence = { verifiedAt: await redisTimeMs(redis), node, ...seen };
  await noteGolden(redis, id, { evidence });
  return evidence;
}
