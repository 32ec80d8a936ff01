import { type Job, type JobsOptions, Queue, Worker, type WorkerOptions } from 'bullmq';
import type { Redis } from './redis.ts';

export type { Job, JobsOptions, Queue, Worker };

/** BullMQ's keys live in the same slot as ours. Names hold no `:` (BullMQ refuses it). */
const prefix = '{thaw}:queue';

/** What any worker can do: housekeeping. */
export const controlQueue = 'control';

/** What one machine must do: capture, restore, destroy. */
export function nodeQueue(node: string): string {
  return `node-${node}`;
}

/** Finished jobs are removed: history lives in operations, and a kept job would swallow the next one of the same id. */
export function openQueue(name: string, redis: Redis): Queue {
  const queue = new Queue(name, { connection: redis, prefix, defaultJobOptions: { removeOnComplete: true, removeOnFail: true } });
  queue.on('error', () => {}); // of the connection; what fails is the command, and it says so to its caller
  return queue;
}

/** Processes jobs at least once: each may run twice, and each processor says what the second run does. */
export function openWorker(
  name: string,
  redis: Redis,
  process: (job: Job, signal: AbortSignal) => Promise<void>,
  options: Partial<WorkerOptions> = {},
): Worker {
  return new Worker(name, (job, _token, signal) => process(job, signal ?? new AbortController().signal), {
    connection: redis,
    prefix,
    ...options,
  });
}
