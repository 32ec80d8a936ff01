import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';
import { type JobsOptions, nodeQueue, openQueue, type Queue } from '#src/platform/queue.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from './run-plan.ts';

export type NodeJobs = InstanceJobs & GoldenJobs & { close(): Promise<void> };

/**
 * The queues of all nodes, opened when first used. A job's id names what it works on: a second one for it is dropped while the
 * first is queued or under way, and taken once that has ended. `attempt` sets ids apart from those of other attempts.
 */
export function openNodeJobs(redis: Redis, attempt = 1): NodeJobs {
  const queues = new Map<string, Queue>();
  const add = async (node: string, name: string, data: Readonly<Record<string, string>>, options: JobsOptions = {}) => {
    const queue = queues.get(node) ?? openQueue(nodeQueue(node), redis);
    queues.set(node, queue);
    await queue.add(name, data, { jobId: `${name}-${Object.values(data).join('-')}-${attempt}`, ...options });
  };
  return {
    // What has no priority goes first: a long refill holds up neither what frees memory nor a capture.
    restore: (node, instanceId) => add(node, 'restore', { instanceId }, { priority: 1 }),
    destroy: (node, instanceId) => add(node, 'destroy', { instanceId }),
    capture: (node, operationId) => add(node, 'capture', { operationId }),
    verify: (node, operationId) => add(node, 'verify', { operationId }),
    removeGolden: (node, golden) => add(node, 'remove-golden', { golden }),
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
