import { z } from 'zod';
import type { Page } from '#src/platform/http/list.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type PageQuery, pageOfNewest, type Ranked, readNewest } from '#src/platform/sorted-page.ts';
import { type Instance, type InstanceState, liveStates } from './instance.ts';
import { instanceKeys } from './keys.ts';
import { getInstances } from './store.ts';

export interface InstanceQuery extends PageQuery {
  readonly pool?: string | undefined;
  readonly node?: string | undefined;
  readonly state?: InstanceState | undefined;
  readonly template?: string | undefined;
  readonly golden?: string | undefined;
}

/** Live instances, newest first. With a filter, all that match are looked at once: as many as the pool, the node or Thaw has. */
export async function listInstances(redis: Redis, query: InstanceQuery): Promise<Page<Instance>> {
  const { limit: _limit, cursor: _cursor, ...filter } = query;
  const isFiltered = Object.values(filter).some((wanted) => wanted !== undefined);
  const page = isFiltered ? pageOfNewest(await matching(redis, query), query) : await readNewest(redis, instanceKeys.all, query);
  const items = await getInstances(redis, page.members);
  return page.nextCursor === undefined ? { items } : { items, nextCursor: page.nextCursor };
}

const filters = ['node', 'state', 'template', 'golden'] as const;

async function matching(redis: Redis, query: InstanceQuery): Promise<Ranked[]> {
  const instances = await getInstances(redis, await candidates(redis, query));
  return instances
    .filter((each) => filters.every((name) => (query[name] ?? each[name]) === each[name]))
    .map((each) => ({ member: each.id, score: each.createdAt }));
}

/** The smallest index that holds all that match. */
async function candidates(redis: Redis, query: InstanceQuery): Promise<string[]> {
  const { pool, node, state } = query;
  if (pool === undefined) return node === undefined ? redis.zrange(instanceKeys.all, 0, '-1') : redis.smembers(instanceKeys.node(node));
  const keys = (state === undefined ? liveStates : [state]).map((each) => instanceKeys.poolState(pool, each));
  return z.array(z.string()).parse(await redis.zunion(keys.length, keys));
}
