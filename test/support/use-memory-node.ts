import { afterEach, beforeEach } from 'vitest';
import { made } from './made.ts';
import { keepsAll, type MemoryNode, startMemoryNode } from './memory-node.ts';
import { useTestRedis } from './use-test-redis.ts';

/** Each test meets a new node on an empty Redis. A copy (`{ ...node }`) stays the node of the test that made it. */
export function useMemoryNode(): MemoryNode {
  const server = useTestRedis();
  let node: MemoryNode | undefined;
  beforeEach(async () => {
    node = await startMemoryNode(server.redis);
  });
  afterEach(() => node?.engine.close());
  return {
    get redis() {
      return server.redis;
    },
    get engine() {
      return made(node).engine;
    },
    get clock() {
      return made(node).clock;
    },
    get goldens() {
      return made(node).goldens;
    },
    get node() {
      return made(node).node;
    },
    get asked() {
      return made(node).asked;
    },
    get jobs() {
      return made(node).jobs;
    },
    ...keepsAll,
  };
}
