import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';
import { testWorkload } from '#test/support/test-image.ts';

const heapMb = 200;
const rounds = 7;
const restMs = 1500; // this kind of machine slows down after a second of full use (FACTS)

type Way = 'plain' | 'encrypted';
const ways: readonly Way[] = ['plain', 'encrypted'];
const settings: Readonly<Record<Way, Readonly<Record<string, string>>>> = {
  plain: {},
  encrypted: { THAW_ENCRYPTION_KEY: randomBytes(32).toString('hex') },
};

/**
 * Capture, from the dump to the sealed golden on the disk, of an app with a touched heap of 200 MB of random bytes: plain and encrypted
 * alternately; and what the golden costs from then on: its first restore, which verifies and decrypts it, and one after that. Medians.
 */
export async function benchCapture(): Promise<object> {
  const node = await openCriuNode();
  try {
    const samples: Record<Way, Sample[]> = { plain: [], encrypted: [] };
    for (const way of ways) await measureOnce(node, way, 0); // page cache and kdat warm for all
    for (let round = 1; round <= rounds; round += 1) {
      for (const way of ways) samples[way].push(await measureOnce(node, way, round));
    }
    const figures = { heapMb, rounds, plain: medians(samples.plain), encrypted: medians(samples.encrypted) };
    const costs = ratio(figures.encrypted.captureMs, figures.plain.captureMs);
    report(figures.plain, figures.encrypted, costs);
    return { ...figures, ratio: costs };
  } finally {
    await node.close();
  }
}

interface Sample {
  readonly captureMs: number;
  readonly firstRestoreMs: number;
  readonly restoreMs: number;
}

async function measureOnce(node: CriuNode, way: Way, round: number): Promise<Sample> {
  await node.reopen(settings[way]);
  const id = newInstanceId();
  const golden = goldenId(way, round + 1);
  const resources = { memoryBytes: 1024 * 1024 * 1024, cpus: 2, pids: 128 };
  const primer = await node.engine.start(testWorkload(node.image, { resources }), id);
  await waitUntilReady(primer);
  await ask(primer, `/alloc?mb=${heapMb}`, 60_000);
  await delay(restMs);
  const startedAt = performance.now();
  await node.engine.checkpoint(id, golden);
  const captureMs = performance.now() - startedAt;
  await node.reopen(settings[way]); // as the worker that did not take it: nothing is known of the golden yet
  const firstRestoreMs = await restore(node, golden);
  await delay(restMs);
  const restoreMs = await restore(node, golden);
  await node.engine.removeGolden(golden);
  return { captureMs, firstRestoreMs, restoreMs };
}

async function restore(node: CriuNode, golden: ReturnType<typeof goldenId>): Promise<number> {
  const id = newInstanceId();
  const startedAt = performance.now();
  await ask(await node.engine.restore(golden, id), '/');
  const ms = performance.now() - startedAt;
  await node.engine.destroy(id);
  return ms;
}

function medians(samples: readonly Sample[]): Sample {
  const median = (of: (sample: Sample) => number) => {
    const sorted = samples.map(of).sort((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
  };
  return {
    captureMs: median(({ captureMs }) => captureMs),
    firstRestoreMs: median(({ firstRestoreMs }) => firstRestoreMs),
    restoreMs: median(({ restoreMs }) => restoreMs),
  };
}

function report(plain: Sample, encrypted: Sample, costs: number): void {
  const line = (name: string, of: (sample: Sample) => number, remark = '') =>
    `  ${name.padEnd(30)} ${String(of(plain)).padStart(6)} ms   ${String(of(encrypted)).padStart(6)} ms${remark}`;
  const lines = [
    `capture of ${heapMb} MB, median of ${rounds} rounds:          plain      encrypted`,
    line('dump to sealed golden', ({ captureMs }) => captureMs, `   (${costs} x; bar 1.25)`),
    line('first restore of a new worker', ({ firstRestoreMs }) => firstRestoreMs),
    line('restore', ({ restoreMs }) => restoreMs),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function ratio(a: number, b: number): number {
  return Math.round((a / b) * 100) / 100;
}
