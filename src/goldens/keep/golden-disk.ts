import type { Engine } from '#src/engine/engine.ts';
import { readAliases } from '#src/goldens/alias.ts';
import { type Golden, isUnderWay } from '#src/goldens/golden.ts';
import { getGolden, listAllGoldens } from '#src/goldens/store.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { dropGolden, type GoldensNamed, isUsed } from './drop-golden.ts';

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
  const { redis, engine, goldenDiskBytes: budget = Number.POSITIVE_INFINITY } = deps;
  let { usedBytes } = await engine.goldenDisk();
  if (usedBytes + moreBytes <= budget) return usedBytes;
  for (const golden of await droppable(deps)) {
    if (!(await dropForRoom(redis, golden))) continue;
    await engine.removeGolden(golden.id);
    ({ usedBytes } = await engine.goldenDisk());
    if (usedBytes + moreBytes <= budget) break;
  }
  return usedBytes;
}

/** False when something needs it after all. */
async function dropForRoom(redis: Redis, golden: Golden): Promise<boolean> {
  if (await isUsed(redis, golden.id)) return false;
  try {
    return (await dropGolden(redis, golden, 'disk')) === 'deleted';
  } catch (error) {
    if (isThawError(error, 'golden_in_use', 'invalid_transition')) return false;
    throw error;
  }
}

/** What the node has and no pool names, in the order in which it goes: where an alias pointed before, last. The newest ready golden of each template may be about to be promoted. */
async function droppable({ redis, engine, goldensNamed }: GoldenDiskDeps): Promise<Golden[]> {
  const here = (await Promise.all((await engine.listGoldens()).map((id) => getGolden(redis, id)))).filter((golden) => golden !== undefined);
  const spared = new Set<GoldenId>();
  const waysBack = new Set<GoldenId>();
  for (const template of new Set(here.map((golden) => golden.template))) {
    const all = await listAllGoldens(redis, template);
    const named = await goldensNamed(template);
    const aliases = await readAliases(redis, template);
    const before = aliases.map(({ golden, moves }) => moves.find((move) => move.golden !== golden)?.golden);
    const newest = all.find(({ state }) => state === 'ready');
    for (const { id, number } of all) {
      if (named.has(number) || id === newest?.id) spared.add(id);
      if (before.includes(number)) waysBack.add(id);
    }
  }
  const isWayBack = ({ id }: Golden) => Number(waysBack.has(id));
  return here
    .filter(({ id, state }) => !isUnderWay(state) && !spared.has(id))
    .toSorted((a, b) => isWayBack(a) - isWayBack(b) || a.createdAt - b.createdAt);
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
