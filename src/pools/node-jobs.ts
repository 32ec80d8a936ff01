import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';
import { nodeQueue, openQueue, type Queue } from '#src/platform/queue.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from './run-plan.ts';

export type NodeJobs = InstanceJobs & GoldenJobs & { close(): Promise<void> };

/** The most that BullMQ 6 takes. */
const lastPriority = 2_097_152;

/**
 * The queues of all nodes, opened when first used. A job's id names what it works on: a second one for it is dropped while the
 * first is queued or under way, and taken once that has ended. `attempt` sets ids apart from those of other attempts.
 */
export function openNodeJobs(redis: Redis, attempt = 1): NodeJobs {
  const queues = new Map<string, Queue>();
  const queueOf = (node: string) => {
    const queue = queues.get(node) ?? openQueue(nodeQueue(node), redis);
    queues.set(node, queue);
    return queue;
  };
  const jobId = (name: string, subject: string) => `${name}-${subject}-${attempt}`;
  // What has no priority goes first: a long refill holds up neither what frees memory nor a capture.
  const instanceJob = (name: 'restore' | 'start' | 'destroy', instanceId: string, rank: number) => {
    const priority = name === 'restore' ? { priority: Math.min(1 + rank, lastPriority) } : {};
    return { name, data: { instanceId }, opts: { jobId: jobId(name, instanceId), ...priority } };
  };
  const addOne = async (node: string, { name, data, opts }: ReturnType<typeof instanceJob>) => {
    await queueOf(node).add(name, data, opts);
  };
  const add = async (node: string, name: string, data: Readonly<Record<string, string>>) => {
    await queueOf(node).add(name, data, { jobId: jobId(name, Object.values(data).join('-')) });
  };
  return {
    restore: (node, instanceId, rank) => addOne(node, instanceJob('restore', instanceId, rank)),
    start: (node, instanceId) => addOne(node, instanceJob('start', instanceId, 0)),
    destroy: (node, instanceId) => addOne(node, instanceJob('destroy', instanceId, 0)),
    cancelRestore: async (node, instanceId) => {
      await queueOf(node).remove(jobId('restore', instanceId));
    },
    repeat: async (node, kind, ids) => {
      await queueOf(node).addBulk(ids.map((id) => instanceJob(kind, id, 0)));
    },
    capture: (node, operationId) => add(node, 'capture', { operationId }),
    verify: (node, operationId) => add(node, 'verify', { operationId }),
    removeGolden: (node, golden) => add(node, 'remove-golden', { golden }),
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
