import { setTimeout as sleep } from 'node:timers/promises';
import { duration, type Screen } from './screen.ts';
import type { ThawClient } from './thaw-client.ts';

const fillTimeoutMs = 60_000;

/** Waits until `size` clones are warm, and answers how long that took. */
export async function fillPool(thaw: ThawClient, screen: Screen, pool: string, size: number, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  while (true) {
    const { warm, restoring, reason } = await thaw.getPoolStatus(pool);
    const elapsedMs = performance.now() - startedAt;
    if (warm >= size) return elapsedMs;
    if (elapsedMs > fillTimeoutMs)
      throw new Error(`pool ${pool} has ${warm} of ${size} warm after ${fillTimeoutMs} ms: ${reason ?? 'no reason given'}`);
    screen.show([`  … ${warm} of ${size} warm, ${restoring} on their way, ${duration(elapsedMs)}`]);
    await sleep(40, undefined, { signal });
  }
}
