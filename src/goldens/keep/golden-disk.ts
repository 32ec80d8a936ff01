import type { Engine } from '#src/engine/engine.ts';
import { readAliases } from '#src/goldens/alias.ts';
import { type Golden, isUnderWay } from '#src/goldens/golden.ts';
import { getGolden, listAllGoldens } from '#src/goldens/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type GoldensNamed, isUsed, tryDropGolden } from './drop-golden.ts';
import { removeGoldenFiles } from './remove-golden-files.ts';

export interface GoldenDiskDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'goldenDisk' | 'listGoldens' | 'removeGolden'>;
  readonly node: string;
  /** What the goldens of this node may take together; undefined: what the disk has. */
  readonly goldenDiskBytes: number | undefined;
  readonly goldensNamed: GoldensNamed;
}

/**
 * Before a capture: makes sure that a golden as large as the template's last one fits into the node's budget, for which the oldest ones
 * that nothing needs go. Throws golden_disk_full when that is not enough.
 */
export async function requireGoldenDisk(deps: GoldenDiskDeps, template: string): Promise<void> {
  const { redis, node, goldenDiskBytes: budget } = deps;
  if (budget === undefined) return;
  const expected = (await listAllGoldens(redis, template)).find(({ sizeBytes }) => sizeBytes !== undefined)?.sizeBytes ?? 0;
  const used = await freeGoldenDisk(deps, expected);
  if (used + expected <= budget) return;
  const needs = expected > 0 ? ` and another of template "${template}" about ${megabytes(expected)} MB` : '';
  throw new ThawError(
    'golden_disk_full',
    `the goldens on node ${node} take ${megabytes(used)} MB${needs}; they may take ${megabytes(budget)} MB, and all that are there are needed`,
    { fix: 'Delete goldens, or move the aliases and pools that need them; or raise THAW_GOLDEN_DISK_MB.' },
  );
}

/** Deletes goldens of the node, the oldest first, until what is there and `moreBytes` fit into the budget or none may go. Answers what is used. */
export async function freeGoldenDisk(deps: GoldenDiskDeps, moreBytes = 0): Promise<number> {
  const { engine, goldenDiskBytes: budget = Number.POSITIVE_INFINITY } = deps;
  let { usedBytes } = await engine.goldenDisk();
  if (usedBytes + moreBytes <= budget) return usedBytes;
  for (const golden of await droppable(deps)) {
    if (!(await removeForRoom(deps, golden))) continue;
    ({ usedBytes } = await engine.goldenDisk());
    if (usedBytes + moreBytes <= budget) break;
  }
  return usedBytes;
}

/** Its files are gone afterwards, whoever dropped it; false when something needs it after all: what is there was listed a while ago. */
async function removeForRoom(deps: GoldenDiskDeps, golden: Golden): Promise<boolean> {
  const isHeld = (await deps.goldensNamed(golden.template)).has(golden.number);
  if (isHeld || (await isUsed(deps.redis, golden.id))) return false;
  await tryDropGolden(deps.redis, golden, 'disk');
  return await removeGoldenFiles(deps, golden.id);
}

/** What the node has, in the order in which it goes: where an alias pointed before, last. The newest good golden of each template may be about to be promoted. */
async function droppable({ redis, engine }: GoldenDiskDeps): Promise<Golden[]> {
  const here = (await Promise.all((await engine.listGoldens()).map((id) => getGolden(redis, id)))).filter((golden) => golden !== undefined);
  const spared = new Set<GoldenId>();
  const waysBack = new Set<GoldenId>();
  for (const template of new Set(here.map((golden) => golden.template))) {
    const all = await listAllGoldens(redis, template);
    const aliases = await readAliases(redis, template);
    const before = aliases.map(({ golden, moves }) => moves.find((move) => move.golden !== golden)?.golden);
    const newest = all.find(({ state, problem }) => state === 'ready' && problem === undefined);
    if (newest) spared.add(newest.id);
    for (const { id, number } of all) if (before.includes(number)) waysBack.add(id);
  }
  const isWayBack = ({ id }: Golden) => Number(waysBack.has(id));
  return here
    .filter(({ id, state }) => !isUnderWay(state) && !spared.has(id))
    .toSorted((a, b) => isWayBack(a) - isWayBack(b) || a.createdAt - b.createdAt);
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
