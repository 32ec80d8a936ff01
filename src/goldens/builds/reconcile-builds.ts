import type { Engine } from '#src/engine/engine.ts';
import { listAliases } from '#src/goldens/aliases.ts';
import { getGolden } from '#src/goldens/store.ts';
import { destroyWorkingInstances } from '#src/goldens/working-instances.ts';
import { getNode } from '#src/nodes/store.ts';
import { listUnfinishedOperations } from '#src/operations/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { type GoldenId, goldenId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { templateKeys } from '#src/templates/store.ts';
import { wantsBuild } from './build.ts';
import { BuildParams, buildKind, type RequestBuildDeps, requestBuild } from './request-build.ts';
import { buildUnderWay, clearUnderWay, endBuild, readBuilds } from './store.ts';

export interface ReconcileBuildsDeps extends RequestBuildDeps {
  readonly engine: Pick<Engine, 'destroy'>;
  readonly node: string;
}

/** Recording the operation follows the recording of the build at once: after this long, nobody does it any more. */
const cutOffAfterMs = 10_000;

/**
 * Takes the build of this node up again that a crash cut off, and asks for one of each golden that an alias points to and whose files this node
 * has but can not restore any more (its kernel or its CRIU was changed). Those that pools are filled from the planner asks for. Can be repeated.
 */
export async function reconcileBuilds(deps: ReconcileBuildsDeps): Promise<void> {
  await resumeBuilds(deps);
  const node = await getNode(deps.redis, deps.node);
  if (node?.state !== 'ready' || !node.fit) return;
  const now = await redisTimeMs(deps.redis);
  for (const id of await aliased(deps.redis)) {
    const golden = await getGolden(deps.redis, id);
    const builds = golden && (await readBuilds(deps.redis, golden));
    if (golden && builds?.files.has(node.name) && wantsBuild(golden, builds, node, now)) await requestBuild(deps, golden, node);
  }
}

/** While the job is queued or under way, asking for it again changes nothing. */
async function resumeBuilds(deps: ReconcileBuildsDeps): Promise<void> {
  const { redis, jobs, node } = deps;
  const operations = await listUnfinishedOperations(redis, buildKind);
  const ours = operations.filter(({ params }) => BuildParams.parse(params).node === node);
  for (const { id } of ours) await jobs.build(node, id);
  const golden = await buildUnderWay(redis, node);
  if (golden !== undefined && ours.length === 0) await endCutOff(deps, golden);
}

/** A build whose operation was never recorded, or has ended without ending it. */
async function endCutOff(deps: ReconcileBuildsDeps, id: GoldenId): Promise<void> {
  const { redis, node } = deps;
  const golden = await getGolden(redis, id);
  const builds = golden ? (await readBuilds(redis, golden)).builds : [];
  const build = builds.find((one) => one.node === node && one.state === 'building');
  if (!build) return clearUnderWay(redis, node);
  const { at, state: _building, ...draft } = build;
  if ((await redisTimeMs(redis)) - at < cutOffAfterMs) return;
  await destroyWorkingInstances(deps, draft.operation);
  const never = new ThawError('cancelled', `the build of ${id} on node ${node} was cut off`, { fix: 'Nothing: it is tried again.' });
  await endBuild(redis, id, { ...draft, problem: describeFailure(never) }, 'failed');
}

async function aliased(redis: Redis): Promise<GoldenId[]> {
  const templates = await redis.zrange(templateKeys.all, 0, '-1');
  const ids = await Promise.all(
    templates.map(async (template) => Object.values(await listAliases(redis, template)).map((number) => goldenId(template, number))),
  );
  return [...new Set(ids.flat())];
}
