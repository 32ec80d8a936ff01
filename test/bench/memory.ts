import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { readProcesses } from '#src/engine/criu/cgroups.ts';
import { instanceCgroup } from '#src/engine/criu/engine-deps.ts';
import { readMemoryInfo } from '#src/engine/criu/node-reserve.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';
import { testWorkload } from '#test/support/test-image.ts';

const golden = goldenId('bench', 1);
const wantedClones = 20;
const heapMb = 75;
const clonePeakBytes = (heapMb + 25) * 1024 * 1024;
/** Left to the rest of the machine while nothing is merged yet. */
const spareBytes = 2 * 1024 ** 3;
/** 200 MB a second; the kernel's own 20 would take minutes for what is settled in seconds, and as well. */
const scan = { run: '1', pages_to_scan: '1000', sleep_millisecs: '20' };
const settleLimitMs = 300_000;

/**
 * What clones with `shareMemory` take once the kernel has merged what is equal in them: the sum of their PSS, beside that of one. Each has a
 * touched heap of random bytes, so that a clone has nothing to merge within itself.
 */
export async function benchMemory(): Promise<object> {
  using _ = tuneKsm();
  const node = await openCriuNode();
  try {
    await takeGolden(node);
    const clones = [await restoreClone(node)];
    const onePssBytes = pssOf(node, clones);
    const count = Math.min(wantedClones, Math.floor((readMemoryInfo().availableBytes - spareBytes) / clonePeakBytes));
    while (clones.length < count) clones.push(await restoreClone(node));
    const unmergedPssBytes = pssOf(node, clones);
    const { pssBytes: sumPssBytes, settledMs } = await settle(node, clones);
    const ratio = Math.round((sumPssBytes / onePssBytes) * 100) / 100;
    const figures = { clones: count, heapMb, onePssBytes, unmergedPssBytes, sumPssBytes, ratio, settledMs };
    report(figures);
    return figures;
  } finally {
    await node.close();
  }
}

async function takeGolden(node: CriuNode): Promise<void> {
  const id = newInstanceId();
  const resources = { memoryBytes: 256 * 1024 * 1024, cpus: 1, pids: 64 };
  const primer = await node.engine.start(testWorkload(node.image, { resources, shareMemory: true }), id);
  await waitUntilReady(primer);
  await ask(primer, `/alloc?mb=${heapMb}`, 60_000);
  await node.engine.checkpoint(id, golden);
}

async function restoreClone(node: CriuNode): Promise<InstanceId> {
  const id = newInstanceId();
  await ask(await node.engine.restore(golden, id), '/');
  return id;
}

/** Until two whole scans of the kernel have brought less than one in a hundred. Answers when the last one came that brought more. */
async function settle(node: CriuNode, clones: readonly InstanceId[]): Promise<{ pssBytes: number; settledMs: number }> {
  const startedAt = performance.now();
  let level = { pssBytes: pssOf(node, clones), settledMs: 0, scans: fullScans() };
  while (fullScans() < level.scans + 2) {
    await delay(500);
    const settledMs = Math.round(performance.now() - startedAt);
    if (settledMs > settleLimitMs) throw new Error(`memory did not settle within ${settleLimitMs} ms`);
    const pssBytes = pssOf(node, clones);
    if (pssBytes < level.pssBytes * 0.99) level = { pssBytes, settledMs, scans: fullScans() };
  }
  return { pssBytes: pssOf(node, clones), settledMs: level.settledMs };
}

function pssOf({ config }: CriuNode, clones: readonly InstanceId[]): number {
  const cgroupHost = detectCgroupHost();
  const pids = clones.flatMap((id) => readProcesses(instanceCgroup({ tag: config.tag, cgroupHost }, id)));
  return pids.reduce(
    (sum, pid) => sum + Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024,
    0,
  );
}

const ksmFile = (name: string) => join('/sys/kernel/mm/ksm', name);

function fullScans(): number {
  return Number(readFileSync(ksmFile('full_scans'), 'utf8'));
}

/** Switches merging on, at the pace of the bench, until it is disposed of: then all is as it was. */
function tuneKsm(): Disposable {
  const names = Object.keys(scan);
  const former = names.map((name) => [name, readFileSync(ksmFile(name), 'utf8').trim()] as const);
  for (const [name, value] of Object.entries(scan)) writeFileSync(ksmFile(name), value);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of former) writeFileSync(ksmFile(name), value);
    },
  };
}

function report(figures: {
  clones: number;
  onePssBytes: number;
  unmergedPssBytes: number;
  sumPssBytes: number;
  ratio: number;
  settledMs: number;
}) {
  const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`.padStart(8);
  const { clones, onePssBytes, unmergedPssBytes, sumPssBytes, ratio, settledMs } = figures;
  const lines = [
    `memory of clones with shareMemory and ${heapMb} MB touched in each (sum of PSS):`,
    `  one                  ${megabytes(onePssBytes)}`,
    `  ${clones}, just restored    ${megabytes(unmergedPssBytes)}`,
    `  ${clones}, settled          ${megabytes(sumPssBytes)}   (${ratio} x one; bar 3; settled after ${Math.round(settledMs / 1000)} s)`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
