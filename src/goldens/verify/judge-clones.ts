import type { Engine } from '#src/engine/engine.ts';
import type { CloneFigures, Evidence } from '#src/goldens/evidence.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { requireUnique } from '#src/goldens/require-unique.ts';
import { workingInstances } from '#src/goldens/working-instances.ts';
import type { InstanceEndpoint } from '#src/instances/probe.ts';
import { getInstance } from '#src/instances/store.ts';
import type { InstanceId, OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { VerifyPolicy } from '#src/templates/verify-policy.ts';
import { type CompareDeps, prepareComparison } from './compare-with-stable.ts';
import { measureClone, requireRunning } from './measure-clone.ts';
import { requireNoRegression } from './require-no-regression.ts';
import { smokeTest } from './smoke-test.ts';

export interface JudgeDeps extends CompareDeps {
  readonly engine: CompareDeps['engine'] & Pick<Engine, 'verifyGolden'>;
}

/** What was seen so far, for whoever catches what is thrown. */
export type Seen = { clones: CloneFigures[] } & Partial<Omit<Evidence, 'clones' | 'verifiedAt' | 'node' | 'problem'>>;

/**
 * Hashes a golden's files; restores two clones, each in turn with one of the golden in use; has them tell themselves apart, do the smoke test
 * and stay alive; and holds their figures against those of the golden in use. Fills in `seen` as it goes. What it restored is the caller's
 * to destroy. Throws golden_missing, golden_corrupt, not_unique, smoke_failed, golden_regressed or what the restore of a clone throws.
 */
export async function judgeClones(deps: JudgeDeps, golden: Golden, operation: OperationId, seen: Seen, signal: AbortSignal): Promise<void> {
  const { clones } = workingInstances(operation);
  const { unique, verify: policy = VerifyPolicy.parse({}) } = golden.spec;
  await deps.engine.verifyGolden(golden.id);
  const measureStable = await prepareComparison(deps, golden, operation);
  for (const clone of clones) {
    signal.throwIfAborted();
    seen.clones.push(await measureClone(deps, golden, clone, signal));
    if (measureStable) Object.assign(seen, await measureStable(signal));
  }
  if (unique) {
    await requireUnique(deps, clones, unique, signal); // all live
    seen.unique = true;
  }
  const [clone] = clones;
  if (policy.smoke && clone) seen.smoke = await smokeTest(deps.engine, await endpointOf(deps.redis, clone), policy.smoke, signal);
  await requireRunning(deps.engine, clones);
  if (seen.comparedWith) requireNoRegression(golden.id, seen.clones, seen.comparedWith, policy);
}

async function endpointOf(redis: Redis, id: InstanceId): Promise<InstanceEndpoint> {
  const clone = await getInstance(redis, id);
  const ports = (clone?.ports ?? []).map(({ port, addressPort }) => [port, addressPort]);
  return { id, address: clone?.address ?? '', ports: Object.fromEntries(ports) };
}
