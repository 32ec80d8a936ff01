import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';
import { nodeQueue, openQueue, type Queue } from '#src/platform/queue.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { InstanceJobs } from './run-plan.ts';

export type NodeJobs = InstanceJobs & GoldenJobs & { close(): Promise<void> };

/** The most that BullMQ 6 takes. */
const lastPriority = 2_097_152;

/**
 * The queues of all nodes, opened when first used. A job's id names what it works on: a second one for it is dropped while the
 * first is queued or under way, and taken once that has ended.
 */
export function openNodeJobs(redis: Redis): NodeJobs {
  const queues = new Map<string, Queue>();
  const queueOf = (node: string) => {
    const queue = queues.get(node) ?? openQueue(nodeQueue(node), redis);
    queues.set(node, queue);
    return queue;
  };
  // The 1 tells nothing; without it, a job that an older worker left queued would not be known again, and run twice at once.
  const jobId = (name: string, subject: string) => `${name}-${subject}-1`;
  const jobOn = (name: string, subject: string, data: Readonly<Record<string, string>>) => ({
    name,
    data,
    opts: { jobId: jobId(name, subject) },
  });
  // What has no priority goes first: a long refill holds up neither what frees memory nor a capture.
  const instanceJob = (name: 'restore' | 'start' | 'destroy', instanceId: string, rank: number) => {
    const { data, opts } = jobOn(name, instanceId, { instanceId });
    const priority = name === 'restore' ? { priority: Math.min(1 + rank, lastPriority) } : {};
    return { name, data, opts: { ...opts, ...priority } };
  };
  const add = async (node: string, { name, data, opts }: ReturnType<typeof jobOn>) => {
    await queueOf(node).add(name, data, opts);
  };
  return {
    restore: (node, instanceId, rank) => add(node, instanceJob('restore', instanceId, rank)),
    start: (node, instanceId) => add(node, instanceJob('start', instanceId, 0)),
    destroy: (node, instanceId) => add(node, instanceJob('destroy', instanceId, 0)),
    cancelRestore: async (node, instanceId) => {
      await queueOf(node).remove(jobId('restore', instanceId));
    },
    repeat: async (node, kind, ids) => {
      await queueOf(node).addBulk(ids.map((id) => instanceJob(kind, id, 0)));
    },
    capture: (node, operationId) => add(node, jobOn('capture', operationId, { operationId })),
    verify: (node, operationId) => add(node, jobOn('verify', operationId, { operationId })),
    export: (node, operationId) => add(node, jobOn('export', operationId, { operationId })),
    build: (node, operationId) => add(node, jobOn('build', operationId, { operationId })),
    dryRun: (node, operationId) => add(node, jobOn('dry-run', operationId, { operationId })),
    removeGolden: (node, golden) => add(node, jobOn('remove-golden', golden, { golden })),
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
