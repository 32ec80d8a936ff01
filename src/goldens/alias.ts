import { z } from 'zod';
import { jsonField } from '#src/platform/hash-field.ts';
import { type Redis, runPipeline } from '#src/platform/redis.ts';
import { goldenKeys } from './keys.ts';
import { aliasNotFound } from './store.ts';

const AliasMove = z.object({
  golden: z.number().int(),
  /** ms since the epoch. */
  at: z.number(),
  /** The name of an API key, or `thaw`; absent where nobody told. */
  by: z.string().exactOptional(),
  /** Why it was moved back. */
  reason: z.string().exactOptional(),
});

/** A name that points to a golden of a template. */
export interface Alias {
  readonly alias: string;
  readonly golden: number;
  /** Changes with every move. */
  readonly etag: string;
  /** The last ones, newest first; the newest led to `golden`. */
  readonly moves: readonly z.infer<typeof AliasMove>[];
}

const Numbers = z.record(z.string(), z.coerce.number());
const Moves = z.record(z.string(), jsonField(z.object({ revision: z.number().int(), moves: z.array(AliasMove) })));
const Replies = z.tuple([Numbers, Moves]);

/** By name. */
export async function readAliases(redis: Redis, template: string): Promise<Alias[]> {
  const both = redis.multi().hgetall(goldenKeys.aliases(template)).hgetall(goldenKeys.aliasMoves(template));
  const [numbers, moves] = Replies.parse(await runPipeline(both));
  const aliases = Object.entries(numbers).map(([alias, golden]): Alias => {
    const known = moves[alias] ?? { revision: 0, moves: [] };
    return { alias, golden, etag: `${golden}-${known.revision}`, moves: known.moves };
  });
  return aliases.toSorted((a, b) => (a.alias < b.alias ? -1 : 1));
}

/** Throws alias_not_found. */
export async function requireAlias(redis: Redis, template: string, alias: string): Promise<Alias> {
  const found = (await readAliases(redis, template)).find((one) => one.alias === alias);
  if (found) return found;
  throw aliasNotFound(template, alias);
}
