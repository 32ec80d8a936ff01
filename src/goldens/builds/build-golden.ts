import type { Engine } from '#src/engine/engine.ts';
import { preparePrimer } from '#src/goldens/capture/prepare-primer.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { isRunning } from '#src/goldens/keep/drop-golden.ts';
import { type GoldenDiskDeps, requireGoldenDisk } from '#src/goldens/keep/golden-disk.ts';
import { type ScanDeps, scanGolden } from '#src/goldens/scan-golden.ts';
import { notReady, requireGolden } from '#src/goldens/store.ts';
import { type JudgeDeps, judgeClones, type Seen } from '#src/goldens/verify/judge-clones.ts';
import { bestOf } from '#src/goldens/verify/require-no-regression.ts';
import { destroyWorkingInstances, recordWorkingInstance, workingInstances } from '#src/goldens/working-instances.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import { nodeClass } from '#src/nodes/compatibility.ts';
import { type RunStep, runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { GoldenId, type OperationId } from '#src/platform/ids.ts';
import { redisTimeMs } from '#src/platform/redis.ts';
import { BuildParams } from './request-build.ts';
import { type BuildDraft, endBuild, findOwnBuild, forgetFiles, hasNoFiles } from './store.ts';

export interface BuildDeps extends JudgeDeps, ScanDeps, GoldenDiskDeps {
  readonly engine: JudgeDeps['engine'] & ScanDeps['engine'] & GoldenDiskDeps['engine'] & Pick<Engine, 'probe' | 'start' | 'checkpoint'>;
}

interface BuildRun {
  readonly deps: BuildDeps;
  readonly operation: OperationId;
  /** As the node of the build sees it: its instances are recorded there. */
  readonly golden: Golden;
  readonly draft: BuildDraft;
  readonly step: RunStep;
}

/**
 * The worker's part of a build: the golden is captured once more, on this node, from its own copy of the template and from the image it lies
 * on, and proven with two clones. Files that the node has of another build give way once the new ones are sealed; instances that run on them go
 * on. They could not be restored any more, so nothing is lost by that when the clones fail. On failure or cancel the build is `failed`, nothing
 * of it is left and the golden stays as it is. A second run destroys what the first left and starts over, unless the build is ready by then.
 */
export async function buildGolden(deps: BuildDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  const target = GoldenId.parse(operation.target);
  const draft: BuildDraft = { ...BuildParams.parse(operation.params), operation: id };
  const ran = await runOperation(deps.redis, id, signal, async (step) => {
    try {
      const golden = { ...(await requireGolden(deps.redis, target)), node: draft.node };
      if (golden.state !== 'ready') throw notReady(golden);
      const begun = await findOwnBuild(deps.redis, target, draft);
      if (begun?.state === 'ready') return describeBuild(target, begun);
      if (begun?.state !== 'building') throw givenUp(target, draft);
      return describeBuild(target, await makeBuild({ deps, operation: id, golden, draft, step }));
    } catch (error) {
      if (signal.aborted) await destroyWorkingInstances(deps, id);
      else await discardBuild(deps, target, draft, error);
      throw error;
    }
  });
  if (!ran) await discardBuild(deps, target, draft, new ThawError('cancelled', `operation ${id} ended before the build began`));
}

function describeBuild(golden: GoldenId, { node, class: of, timingsMs }: BuildDraft): Record<string, unknown> {
  return { golden, node, class: of, restoreMs: timingsMs?.restore };
}

/** The operation was recorded so late that reconcileBuilds took it for lost. */
function givenUp(golden: GoldenId, { node }: BuildDraft): ThawError {
  return new ThawError('cancelled', `the build of ${golden} on node ${node} was given up before it began`, {
    fix: 'Nothing: another one is asked for.',
  });
}

async function makeBuild(run: BuildRun): Promise<BuildDraft> {
  const { deps, operation, golden, draft, step } = run;
  await destroyWorkingInstances(deps, operation);
  await requireSameClass(run);
  // What takes the place of others needs no room beside the budget for long.
  if (!(await deps.engine.hasGolden(golden.id))) await requireGoldenDisk(deps, golden.template);
  const made = await capture(run);
  if (golden.spec.scan) await step('scan', (stop) => scanGolden(deps, golden, stop));
  const evidence = await step('verify', async (stop) => {
    const seen: Seen = { clones: [] };
    await judgeClones(deps, golden, operation, seen, stop);
    return { verifiedAt: await redisTimeMs(deps.redis), node: draft.node, ...seen };
  });
  await destroyWorkingInstances(deps, operation);
  const build = { ...draft, ...made, timingsMs: { ...made.timingsMs, restore: bestOf(evidence.clones).restoreMs }, evidence };
  if (!(await endBuild(deps.redis, golden.id, build, 'ready'))) throw notReady(await requireGolden(deps.redis, golden.id));
  return build;
}

/** The machine may have changed once more since the build was asked for; the planner then asks for the right one. */
async function requireSameClass({ deps, golden, draft }: BuildRun): Promise<void> {
  const { fingerprint } = await deps.engine.probe();
  if (nodeClass(fingerprint) === draft.class) return;
  throw new ThawError('golden_incompatible', `node ${draft.node} has changed since a build of golden ${golden.id} was asked for`, {
    fix: 'Nothing: another one is asked for.',
  });
}

async function capture({ deps, operation, golden, draft, step }: BuildRun) {
  const { redis, engine } = deps;
  const { primer } = workingInstances(operation);
  await recordWorkingInstance(redis, golden, primer, 'primer');
  const coldStart = await preparePrimer(deps, primer, golden.spec, step, { imageDigest: golden.imageDigest });
  return await step('checkpoint', async (stop) => {
    await forgetFiles(redis, golden.id, draft.node);
    const connections = golden.spec.capture?.connections ?? 'close';
    const { sizeBytes, pagesBytes, digest, fingerprint, timingsMs } = await engine.checkpoint(primer, golden.id, stop, {
      connections,
      replace: true,
    });
    await destroyInstance(deps, primer);
    const { total = 0, ...phases } = timingsMs;
    return { sizeBytes, pagesBytes, digest, fingerprint, timingsMs: { ...coldStart, ...phases, checkpoint: total } };
  });
}

/** What is there belongs to nobody once the files of before were given up; but instances may still run on those, and then the next build replaces it. */
async function discardBuild(deps: BuildDeps, golden: GoldenId, draft: BuildDraft, reason: unknown): Promise<void> {
  await destroyWorkingInstances(deps, draft.operation);
  if ((await hasNoFiles(deps.redis, golden, draft)) && !(await isRunning(deps.redis, golden))) await deps.engine.removeGolden(golden);
  await endBuild(deps.redis, golden, { ...draft, problem: describeFailure(reason) }, 'failed');
}
