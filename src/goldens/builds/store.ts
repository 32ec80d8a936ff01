import { z } from 'zod';
import type { Golden } from '#src/goldens/golden.ts';
import { goldenKeys } from '#src/goldens/keys.ts';
import { poolChangedChannel } from '#src/instances/keys.ts';
import { reasonsAgainst } from '#src/nodes/compatibility.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { buildRestMs, firstBuild, GoldenBuild, type GoldenBuilds, noRoomRestMs } from './build.ts';

const beginScript = loadLuaScript(import.meta.url, './lua/begin-build.lua');
const endScript = loadLuaScript(import.meta.url, './lua/end-build.lua');

/** hash, node → golden whose build it makes: one at a time on each node. */
const underWayKey = `${keyPrefix}builds-under-way`;
const buildField = 'build:';
const filesField = 'files:';

export type BuildDraft = Omit<GoldenBuild, 'at' | 'state'>;

/** A golden that has nothing but its own capture has no hash of builds. */
export async function readBuilds(redis: Redis, golden: Golden): Promise<GoldenBuilds> {
  const hash = await redis.hgetall(goldenKeys.builds(golden.id));
  const fields = Object.entries(hash);
  if (fields.length === 0) {
    const first = firstBuild(golden);
    return first ? { builds: [first], files: new Map([[first.node, first.class]]) } : { builds: [], files: new Map() };
  }
  const named = (prefix: string) => fields.filter(([name]) => name.startsWith(prefix));
  return {
    builds: named(buildField).map(([, text]) => jsonField(GoldenBuild).parse(text)),
    files: new Map(named(filesField).map(([name, of]) => [name.slice(filesField.length), of])),
  };
}

/** Atomic. False when it is not the time: the golden is not ready, the node makes another, its class has one, or one failed just now. */
export async function beginBuild(redis: Redis, golden: Golden, draft: BuildDraft): Promise<boolean> {
  const first = firstBuild(golden);
  if (!first) return false;
  const { class: of, node, operation, fingerprint } = draft;
  const why = golden.fingerprint && fingerprint ? reasonsAgainst(golden.fingerprint, fingerprint).join(', ') : '';
  const keys = [goldenKeys.golden(golden.id), goldenKeys.builds(golden.id), underWayKey];
  const build = JSON.stringify({ ...draft, state: 'building' });
  const rests = [buildRestMs, noRoomRestMs];
  const args = [golden.id, of, node, operation, build, first.class, JSON.stringify(first), first.node, ...rests, why, keyPrefix];
  return z.enum(['begun', 'not_ready', 'busy', 'there', 'resting']).parse(await beginScript.run(redis, keys, args)) === 'begun';
}

/** From here on nothing is restored from what the node has, until its build is ready. */
export async function forgetFiles(redis: Redis, golden: GoldenId, node: string): Promise<void> {
  await redis.hdel(goldenKeys.builds(golden), `${filesField}${node}`);
}

/**
 * The node's files of the golden are spoiled: nothing is restored from them any more, and the planner asks for a build unless another node of
 * its class has one. False, and nothing done, when no other node has any: with its last files the golden itself is spoiled.
 */
export async function giveUpFiles(redis: Redis, golden: Golden, node: string): Promise<boolean> {
  const { files } = await readBuilds(redis, golden);
  if (![...files.keys()].some((name) => name !== node)) return false;
  await forgetFiles(redis, golden.id, node);
  await redis.publish(poolChangedChannel, '*');
  return true;
}

/** How far an operation has come with its build; undefined when it is not, or no more, the one that makes it. */
export async function findOwnBuild(
  redis: Redis,
  golden: GoldenId,
  { class: of, operation }: Pick<BuildDraft, 'class' | 'operation'>,
): Promise<GoldenBuild | undefined> {
  const text = await redis.hget(goldenKeys.builds(golden), `${buildField}${of}`);
  const build = text === null ? undefined : jsonField(GoldenBuild).parse(text);
  return build?.operation === operation ? build : undefined;
}

/** The operation makes the build, and its node has no files of another any more. */
export async function hasNoFiles(redis: Redis, golden: GoldenId, draft: BuildDraft): Promise<boolean> {
  const build = await findOwnBuild(redis, golden, draft);
  return build?.state === 'building' && !(await redis.hexists(goldenKeys.builds(golden), `${filesField}${draft.node}`));
}

/** Atomic. False when nothing of it is to be kept: its golden is gone, or another operation makes the build. */
export async function endBuild(redis: Redis, golden: GoldenId, draft: BuildDraft, state: 'ready' | 'failed'): Promise<boolean> {
  const { class: of, node, operation, problem } = draft;
  const keys = [goldenKeys.golden(golden), goldenKeys.builds(golden), underWayKey, goldenKeys.failures(golden)];
  const args = [golden, of, node, operation, state, JSON.stringify({ ...draft, state }), problem?.code ?? '', keyPrefix];
  return z.enum(['ended', 'other', 'golden_gone']).parse(await endScript.run(redis, keys, args)) === 'ended';
}

/** The golden whose build a node makes. */
export async function buildUnderWay(redis: Redis, node: string): Promise<GoldenId | undefined> {
  return GoldenId.optional().parse((await redis.hget(underWayKey, node)) ?? undefined);
}

export async function clearUnderWay(redis: Redis, node: string): Promise<void> {
  await redis.hdel(underWayKey, node);
}
