import { setTimeout as delay } from 'node:timers/promises';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { openPeers, type Peers } from './restore-peers.ts';

const heapMb = 200;
const rounds = 9;
const restMs = 700; // this kind of machine slows down after a second of full use (FACTS)

/**
 * Restore to first answer of an app with a touched heap of 200 MB: ours (sandbox, cgroups, monitor, runc's state file and all) beside podman's and
 * runc's restore of their own dumps of it, and `runc restore` and bare `criu restore` of ours; these get their sandbox for nothing. One after the
 * other, round by round; medians.
 */
export async function benchRestore(): Promise<object> {
  const node = await openCriuNode();
  try {
    const golden = await takeGolden(node);
    await using peers = await openPeers(node.config, golden, heapMb);
    const figures = await measure(node, golden, peers);
    report(figures);
    return figures;
  } finally {
    await node.close();
  }
}

async function takeGolden(node: CriuNode): Promise<GoldenId> {
  const id = newInstanceId();
  const resources = { memoryBytes: 1024 * 1024 * 1024, cpus: 2, pids: 128 };
  const primer = await node.engine.start(testWorkload(node.image, { resources }), id);
  await waitUntilReady(primer);
  await ask(primer, `/alloc?mb=${heapMb}`, 60_000);
  const golden = goldenId('bench', 1);
  await node.engine.checkpoint(id, golden);
  return golden;
}

async function measure(node: CriuNode, golden: GoldenId, peers: Peers) {
  const ways = {
    thaw: () => restoreOurs(node, golden),
    podman: peers.podmanRestore,
    plainRunc: peers.plainRuncRestore,
    tunedRunc: peers.tunedRuncRestore,
    criu: peers.criuRestore,
  };
  const names = ['thaw', 'podman', 'plainRunc', 'tunedRunc', 'criu'] as const;
  const samples: Record<keyof typeof ways, number[]> = { thaw: [], podman: [], plainRunc: [], tunedRunc: [], criu: [] };
  for (const name of names) await ways[name](); // page cache and kdat warm for all
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      await delay(restMs);
      samples[name].push(await ways[name]());
    }
  }
  const [thawMs, criuMs] = [median(samples.thaw), median(samples.criu)];
  const [podmanMs, plainRuncMs, tunedRuncMs] = [median(samples.podman), median(samples.plainRunc), median(samples.tunedRunc)];
  return {
    ...{ heapMb, rounds, thawMs, podmanMs, plainRuncMs, tunedRuncMs, criuMs },
    fasterThanPodman: ratio(podmanMs, thawMs),
    fasterThanRunc: ratio(plainRuncMs, thawMs),
    fasterThanTunedRunc: ratio(tunedRuncMs, thawMs),
    overBareCriu: ratio(thawMs, criuMs),
  };
}

async function restoreOurs(node: CriuNode, golden: GoldenId): Promise<number> {
  const id = newInstanceId();
  const startedAt = performance.now();
  const clone = await node.engine.restore(golden, id);
  await ask(clone, '/');
  const ms = performance.now() - startedAt;
  await node.engine.destroy(id);
  return ms;
}

function report(figures: Awaited<ReturnType<typeof measure>>): void {
  const { thawMs, podmanMs, plainRuncMs, tunedRuncMs, criuMs, fasterThanPodman, fasterThanRunc, fasterThanTunedRunc, overBareCriu } =
    figures;
  const lines = [
    `restore of ${heapMb} MB to first answer, median of ${rounds} rounds:`,
    `  thaw                 ${thawMs} ms`,
    `  podman restore       ${podmanMs} ms   (${fasterThanPodman} x ours; bar 4)`,
    `  plain runc restore   ${plainRuncMs} ms   (${fasterThanRunc} x ours; bar 1.8)`,
    `  runc, with our dump  ${tunedRuncMs} ms   (${fasterThanTunedRunc} x ours)`,
    `  bare criu restore    ${criuMs} ms   (ours is ${overBareCriu} x; bar 1.4)`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}

function ratio(a: number, b: number): number {
  return Math.round((a / b) * 100) / 100;
}
