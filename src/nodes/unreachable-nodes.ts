import type { Clock } from '#src/platform/clock.ts';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';

/**
 * zset, node → until when (ms, by Redis' clock) its agent counts as unreachable. Usually empty: the claim script looks at it first, and takes
 * no instance of a node that is in it, so that an agent that is away does not cost one warm clone per claim.
 */
const unreachableNodesKey = `${keyPrefix}nodes-unreachable`;

const pingEveryMs = 200;
/** Outlives a ping that times out; a process that dies while its node is away leaves no mark that stays. */
const markedMs = 3000;

export interface UnreachableWatch {
  /** A call of that node's agent failed: unless it answers a ping, it is marked until it does. */
  suspect(node: string): void;
  close(): void;
}

/** Marks nodes whose agents do not answer, and unmarks them as soon as they do. A slow call alone marks nothing. */
export function watchUnreachable(redis: Redis, clock: Clock, ping: (node: string) => Promise<unknown>): UnreachableWatch {
  const watched = new Set<string>();
  const closing = new AbortController();
  const answers = (node: string) =>
    ping(node).then(
      () => true,
      () => false,
    );
  const watch = async (node: string) => {
    let isMarked = false;
    while (!closing.signal.aborted && !(await answers(node))) {
      await redis.zadd(unreachableNodesKey, (await redisTimeMs(redis)) + markedMs, node);
      isMarked = true;
      await clock.sleep(pingEveryMs, closing.signal);
    }
    if (isMarked && !closing.signal.aborted) await redis.zrem(unreachableNodesKey, node);
  };
  return {
    suspect: (node) => {
      if (watched.has(node)) return;
      watched.add(node);
      // Without Redis no claim asks for the mark either, and it ends by itself.
      watch(node)
        .catch(() => {})
        .finally(() => watched.delete(node));
    },
    close: () => closing.abort(),
  };
}
