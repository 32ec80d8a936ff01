import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describeCheckpoint } from '#src/engine/criu/checkpoint-instance.ts';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import { signatureFile } from '#src/engine/criu/golden-signature.ts';
import type { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { type GoldenLayout, goldenLayout } from '#src/engine/criu/instance-layout.ts';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import type { ImportedGolden, RunPhase } from '#src/engine/engine.ts';
import type { GoldenPlace } from '#src/engine/golden-place.ts';
import type { Workload } from '#src/engine/workload.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { fetchArchive } from './fetch-archive.ts';
import { requireSameWorkload } from './require-same-workload.ts';
import { type UnpackedGolden, unpackArchive } from './unpack-archive.ts';
import { openWorkspace } from './workspace.ts';

/**
 * Fetches an archive, unpacks it and makes it a golden of this node. One of ours keeps its files, its manifest and its signature to the bit; a
 * node that encrypts makes its own of them, once they are proven. What others made is sealed here.
 */
export async function importGolden(
  deps: CriuDeps,
  goldens: GoldenStore,
  wanted: { readonly golden: GoldenId; readonly workload: Workload },
  place: GoldenPlace,
  phase: RunPhase,
): Promise<ImportedGolden> {
  const { golden } = wanted;
  const origin = { kind: place.kind === 'archive' ? 'archive' : 'image', from: place.text } as const;
  if (goldens.has(golden)) return { ...describeCheckpoint(await goldens.open(golden)), origin };
  await using workspace = await openWorkspace(deps.paths.moves);
  const { directory } = workspace;
  const timingsMs: Record<string, number> = {};
  const timed: RunPhase = async (name, work) => {
    const startedAt = performance.now();
    const result = await phase(name, work);
    timingsMs[name] = elapsedMs(startedAt);
    return result;
  };
  const startedAt = performance.now();
  const archive = await timed('fetch', (signal) => fetchArchive(deps, workspace, place, signal));
  // Held, though it takes none: meanwhile no image is removed because no golden needs it yet.
  const { engine } = await deps.memory.hold(`the import of ${golden}`, 0, async () => {
    const unpacked = await timed('unpack', (signal) => unpackArchive(deps, archive, wanted, directory, signal));
    await timed('seal', (signal) => seal(goldens, golden, unpacked, join(directory, 'sealed'), signal));
    return unpacked;
  });
  timingsMs.total = elapsedMs(startedAt);
  return { ...describeCheckpoint(await openImported(goldens, wanted)), timingsMs, origin: { ...origin, engine } };
}

async function seal(
  goldens: GoldenStore,
  golden: GoldenId,
  unpacked: UnpackedGolden,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const { layout, imageDigest, isSealed, isEncrypted } = unpacked;
  if (!isSealed) goldens.requireUnsignedAllowed(golden);
  const proven = isSealed ? await goldens.requireSealed(golden, layout) : undefined;
  signal.throwIfAborted();
  if (goldens.isEncrypting && !isEncrypted) await goldens.finish(golden, apart(layout, directory), imageDigest, signal);
  else if (proven) await goldens.adopt(golden, layout, proven);
  else await goldens.finish(golden, layout, imageDigest, signal);
}

/** As a draft that is encrypted from elsewhere: what stands in `directory` is what will be kept. */
function apart(plain: GoldenLayout, directory: string): GoldenLayout {
  mkdirSync(directory, { mode: 0o700 });
  const { manifest, diff } = goldenLayout(directory);
  rmSync(plain.manifest, { force: true });
  rmSync(join(plain.directory, signatureFile), { force: true });
  renameSync(plain.diff, diff);
  return { ...plain, directory, manifest, diff };
}

/** One that this node can not open, as it lacks the key, does not stay; nor one that says something else than its template. */
async function openImported(goldens: GoldenStore, { golden, workload }: { golden: GoldenId; workload: Workload }): Promise<OpenGolden> {
  try {
    const open = await goldens.open(golden);
    requireSameWorkload(golden, open.record.workload, workload);
    return open;
  } catch (error) {
    await goldens.remove(golden);
    throw error;
  }
}
