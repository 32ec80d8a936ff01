import { z } from 'zod';

/** What a process run by `thaw up` sends over its IPC channel, once: its work has begun. */
export const ReadyMessage = z.object({
  ready: z.literal(true),
  /** Where the process is reached, if by a URL. */
  url: z.string().exactOptional(),
});
export type ReadyMessage = z.infer<typeof ReadyMessage>;

/** Tells `thaw up`, if that started this process, that the work has begun. */
export function tellReady(url?: string): void {
  process.send?.({ ready: true, ...(url === undefined ? {} : { url }) } satisfies ReadyMessage);
}

/**
 * Answers why this process is to end: a SIGTERM or SIGINT, or that `thaw up` is gone. A process that outlived the one that
 * restarts it would meet its own successor.
 */
export function waitForStop(): Promise<string> {
  return new Promise((resolve) => {
    const stop = (why: string) => {
      process.channel?.unref(); // listening for 'disconnect' would keep the process alive
      resolve(why);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal));
    process.once('disconnect', () => stop('thaw up is gone'));
  });
}
