import { type GoldenId, goldenId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { listTemplates } from '#src/templates/store.ts';
import { listAliases } from './aliases.ts';
import type { GoldenBuilds } from './builds/build.ts';
import { readBuilds } from './builds/store.ts';
import type { Golden } from './golden.ts';
import { getGolden } from './store.ts';

export interface PromotedGolden {
  readonly golden: Golden;
  readonly aliases: readonly string[];
  readonly builds: GoldenBuilds;
}

const pageSize = 200;

/** What the aliases of all templates point to: what pools are filled from next. */
export async function listPromotedGoldens(redis: Redis): Promise<PromotedGolden[]> {
  const promoted: PromotedGolden[] = [];
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await listTemplates(redis, { limit: pageSize, cursor });
    for (const { name } of items) promoted.push(...(await promotedOf(redis, name)));
    cursor = nextCursor;
  } while (cursor !== undefined);
  return promoted;
}

async function promotedOf(redis: Redis, template: string): Promise<PromotedGolden[]> {
  const aliasesOf = new Map<GoldenId, string[]>();
  for (const [alias, number] of Object.entries(await listAliases(redis, template))) {
    const id = goldenId(template, number);
    aliasesOf.set(id, [...(aliasesOf.get(id) ?? []), alias]);
  }
  const found = [...aliasesOf].map(async ([id, aliases]) => {
    const golden = await getGolden(redis, id);
    return golden ? [{ golden, aliases, builds: await readBuilds(redis, golden) }] : [];
  });
  return (await Promise.all(found)).flat();
}
