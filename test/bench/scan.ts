import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { goldenDirectory } from '#src/engine/criu/instance-layout.ts';
import { goldenId } from '#src/platform/ids.ts';
import { ask } from '#test/contract/ask-app.ts';
import { openCriuNode } from '#test/support/criu-node.ts';
import { startReady } from '#test/support/start-ready.ts';
import { testWorkload } from '#test/support/test-image.ts';

const heapMb = 200;
const rounds = 5;
const golden = goldenId('scanned', 1);

/** Scan of a golden with a touched heap of 200 MB of random bytes, side by side with a sha256 over its pages; and how long the loop of the worker was held up. Medians. */
export async function benchScan(): Promise<object> {
  const node = await openCriuNode();
  try {
    const primer = await startReady(node.engine, testWorkload(node.image, { resources: { memoryBytes: 2 ** 29, cpus: 2, pids: 64 } }));
    await ask(primer, `/alloc?mb=${heapMb}`);
    await node.engine.checkpoint(primer.id, golden);
    const pages = join(goldenDirectory(node.config.paths, golden), 'image/pages-1.img');
    const scans: number[] = [];
    const hashes: number[] = [];
    let loopDelayMaxMs = 0;
    for (let round = 0; round < rounds; round++) {
      const delay = monitorEventLoopDelay({ resolution: 5 }); // a new one each time: it would count what is between
      delay.enable();
      const { scannedBytes, tookMs } = await node.engine.scanGolden(golden, ['canary-00000001']);
      delay.disable();
      loopDelayMaxMs = Math.max(loopDelayMaxMs, Math.round(delay.max / 1e6));
      scans.push(scannedBytes / tookMs / 1000);
      hashes.push(hashSpeed(pages));
    }
    const figures = { heapMb, rounds, scanMBps: median(scans), sha256MBps: median(hashes), loopDelayMaxMs };
    process.stdout.write(
      `scan of a golden with ${heapMb} MB of memory: ${figures.scanMBps} MB/s; sha256 of its pages: ${figures.sha256MBps} MB/s; the worker's loop waited ${loopDelayMaxMs} ms at most\n`,
    );
    return figures;
  } finally {
    await node.close();
  }
}

function hashSpeed(file: string): number {
  const startedAt = performance.now();
  const content = readFileSync(file);
  createHash('sha256').update(content).digest();
  return content.length / (performance.now() - startedAt) / 1000;
}

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0);
}
