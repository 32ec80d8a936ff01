import { type Job, Queue, Worker, type WorkerOptions } from 'bullmq';
import type { Redis } from './redis.ts';

export type { Job, Queue, Worker };

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

/**
 * Puts every job that counts as under way back in line, first. Only for a queue with one worker, before it begins: BullMQ (6.7) takes the
 * token '0' for whoever holds the lock. Answers how many there were.
 */
export async function requeueActive(queue: Queue): Promise<number> {
  const active = await queue.getActive();
  for (const job of active) await job.moveToWait('0');
  return active.length;
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
