import { keyPrefix } from '#src/platform/redis.ts';
import type { InstanceState } from './instance.ts';

/** Redis keys of the room. Only its own scripts and those of claims, which take and give back instances, write them. */
export const instanceKeys = {
  /** hash, one instance. */
  instance: (id: string) => `${keyPrefix}instance:${id}`,
  /** zset, id by createdAt: every live instance. */
  all: `${keyPrefix}instances`,
  /** zset, id by stateAt: the instances of a pool in one live state. */
  poolState: (pool: string, state: InstanceState) => `${keyPrefix}pool-instances:${pool}:${state}`,
  /** set: the live instances of a node. */
  node: (node: string) => `${keyPrefix}node-instances:${node}`,
};

/** Carries a pool's name (`*`: all of them) whenever something changed that the planner would see. */
export const poolChangedChannel = `${keyPrefix}pool-changed`;
