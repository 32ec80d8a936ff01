import { type Golden, isUnderWay } from '#src/goldens/golden.ts';
import { listAllGoldens } from '#src/goldens/store.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type GoldensNamed, tryDropGolden } from './drop-golden.ts';

export interface RetireDeps {
  readonly redis: Redis;
  readonly goldensNamed: GoldensNamed;
}

/**
 * Lets all goldens of a template go that are older than its `last` newest ones that are ready and were not found bad: failed ones at once,
 * ready ones once nothing runs on them; those that an alias points to or a pool holds on to stay. Can be repeated.
 */
export async function retireOldGoldens({ redis, goldensNamed }: RetireDeps, template: string, last: number): Promise<void> {
  const goldens = await listAllGoldens(redis, template);
  const oldestKept = goldens.filter(({ state, problem }) => state === 'ready' && problem === undefined)[last - 1];
  if (!oldestKept) return;
  const named = await goldensNamed(template);
  const mayGo = ({ number, state }: Golden) => number < oldestKept.number && !isUnderWay(state) && !named.has(number);
  for (const golden of goldens.filter(mayGo)) await tryDropGolden(redis, golden, 'keep');
}
