import { z } from 'zod';
import { goldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { GoldenState } from './golden.ts';
import { goldenKeys } from './keys.ts';
import { notReady, requireGolden } from './store.ts';

const setScript = loadLuaScript(import.meta.url, './lua/set-alias.lua');

/** Promotes a golden: the pools that follow the alias change over to it. Throws golden_not_found or golden_not_ready. */
export async function setAlias(redis: Redis, template: string, alias: string, number: number): Promise<void> {
  const id = goldenId(template, number);
  const keys = [goldenKeys.golden(id), goldenKeys.aliases(template)];
  const reply = z.union([z.literal('set'), GoldenState, z.literal('')]).parse(await setScript.run(redis, keys, [alias, number, keyPrefix]));
  if (reply === 'set') return;
  throw notReady(await requireGolden(redis, id));
}

/** Alias → number. */
export async function listAliases(redis: Redis, template: string): Promise<Record<string, number>> {
  return z.record(z.string(), z.coerce.number()).parse(await redis.hgetall(goldenKeys.aliases(template)));
}
