import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { GoldenLayout } from '#src/engine/criu/instance-layout.ts';
import { ScanReport } from '#src/engine/scan-report.ts';
import { elapsedMs } from '#src/platform/clock.ts';

const ThreadReport = ScanReport.omit({ tookMs: true });

/** Looks for secrets in an open golden; of what it finds it tells kinds, places and counts alone. Throws the reason of `signal` when aborted. */
export async function scanGolden(
  { image, diff }: Pick<GoldenLayout, 'image' | 'diff'>,
  canaries: readonly string[],
  signal: AbortSignal,
): Promise<ScanReport> {
  const startedAt = performance.now();
  const thread = new Worker(new URL('./scan-thread.ts', import.meta.url), { workerData: { image, diff, canaries }, env: {} });
  try {
    const [report] = await once(thread, 'message', { signal }); // rejects with what the thread throws
    return { ...ThreadReport.parse(report), tookMs: elapsedMs(startedAt) };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    await thread.terminate();
  }
}
