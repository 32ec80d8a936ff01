import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { preconditionFailed } from '#src/platform/etag.ts';
import type { Failure } from '#src/platform/failure.ts';
import { type GoldenId, goldenId, splitGoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { GoldenState } from './golden.ts';
import { goldenKeys } from './keys.ts';
import { notReady, requireGolden } from './store.ts';

const setScript = loadLuaScript(import.meta.url, './lua/set-alias.lua');
const moveBackScript = loadLuaScript(import.meta.url, './lua/move-back-alias.lua');

/** The alias that pools follow unless told otherwise. */
export const promotedAlias = 'stable';

/** Who moves an alias when nobody does it by hand. */
export const ourselves = 'thaw';

const keptMoves = 10;

export interface AliasMoveOptions {
  /** Etag that must be there, or `*`. */
  readonly ifMatch?: string | undefined;
  readonly by?: string | undefined;
  /** Nobody asks for it by hand: a golden that was rolled back is refused. */
  readonly isAutomatic?: boolean;
}

const SetReply = z.union([
  z.tuple([z.enum(['set', 'bad'])]),
  z.tuple([z.literal('changed'), z.string()]),
  z.tuple([z.literal('not_ready'), z.union([GoldenState, z.literal('')])]),
]);

/**
 * Promotes a golden: the pools that follow the alias change over to it. By hand one that was rolled back has another chance. To where it
 * points already it does not move. Throws golden_not_found, golden_not_ready or precondition_failed.
 */
export async function setAlias(
  redis: Redis,
  template: string,
  alias: string,
  number: number,
  options: AliasMoveOptions = {},
): Promise<void> {
  const id = goldenId(template, number);
  const { ifMatch = '', by = '', isAutomatic = false } = options;
  const keys = [goldenKeys.golden(id), goldenKeys.aliases(template), goldenKeys.aliasMoves(template)];
  const args = [alias, number, ifMatch, isAutomatic ? 1 : 0, by, keptMoves, keyPrefix];
  const [outcome, found = ''] = SetReply.parse(await setScript.run(redis, keys, args));
  if (outcome === 'set') return;
  if (outcome === 'changed') throw preconditionFailed(`alias "${alias}" of template "${template}"`, found, ifMatch);
  const golden = await requireGolden(redis, id);
  if (outcome === 'not_ready') throw notReady(golden);
  throw new ThawError(
    'golden_not_ready',
    `golden ${id} is not promoted again by itself: ${golden.problem?.message ?? 'it was rolled back'}`,
    {
      fix: `Capture a new one, or promote it by hand: PUT /v1/templates/${template}/aliases/${alias}.`,
    },
  );
}

export interface WayBack {
  readonly template: string;
  readonly alias: string;
  readonly bad: GoldenId;
  readonly good: GoldenId;
}

/**
 * Moves an alias that points to the bad golden back to the good one, where it pointed before, and notes the problem on the bad one.
 * Atomic: false, and nothing changed, when the alias points elsewhere by now or there is no way back.
 */
export async function moveBackAlias(redis: Redis, { template, alias, bad, good }: WayBack, problem: Failure): Promise<boolean> {
  const keys = [goldenKeys.golden(bad), goldenKeys.golden(good), goldenKeys.aliases(template), goldenKeys.aliasMoves(template)];
  const numbers = [splitGoldenId(bad).number, splitGoldenId(good).number];
  const args = [alias, ...numbers, JSON.stringify(problem), ourselves, keptMoves, keyPrefix];
  return z.enum(['moved', 'moved_on', 'never_there', 'no_way_back']).parse(await moveBackScript.run(redis, keys, args)) === 'moved';
}

/** Alias → number. */
export async function listAliases(redis: Redis, template: string): Promise<Record<string, number>> {
  return z.record(z.string(), z.coerce.number()).parse(await redis.hgetall(goldenKeys.aliases(template)));
}
