import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RestoredInstance } from '#src/engine/engine.ts';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { findLiveProcess } from '#src/platform/live-process.ts';
import { run } from '#src/platform/subprocess.ts';
import { cgroupDirectories, cgroupPathsForRunc, limitAfterRestore, limitBeforeRestore, makeCgroup } from './cgroups.ts';
import { runUnderConmon } from './conmon.ts';
import { explainRestoreFailure, readLogTail } from './criu-failures.ts';
import { destroyInstance } from './destroy-instance.ts';
import { type CriuDeps, criuRunDirectory, instanceCgroup } from './engine-deps.ts';
import type { OpenGolden } from './golden-store.ts';
import { exitsDirectory, instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord, writeInstanceRecord } from './instance-record.ts';
import { requireDisk, requireMemory } from './node-reserve.ts';
import { externalMounts } from './oci-spec.ts';
import { logBytesMax } from './output-log.ts';
import { mountRootfs } from './overlay.ts';
import { restoreScript } from './restore-command.ts';
import { cloneState, specialise } from './runc-state.ts';

const restoreTimeoutMs = 60_000;
const minimumDiskBytes = 16 * 1024 * 1024;

/** A sandbox and a root filesystem waiting to be filled. */
export interface PrimedInstance {
  readonly golden: OpenGolden;
  readonly sandbox: Sandbox;
  readonly timingsMs: { readonly sandbox: number; readonly rootfs: number };
}

/** Fills a primed instance, or primes one first. Cleans up when it fails or is aborted. */
export async function restoreInstance(
  deps: CriuDeps,
  golden: OpenGolden,
  id: InstanceId,
  primed?: PrimedInstance,
  signal?: AbortSignal,
): Promise<RestoredInstance> {
  const existing = readInstanceRecord(instanceLayout(deps.paths, id));
  if (isRunning(existing)) return { address: existing.address, timingsMs: existing.timingsMs };
  const startedAt = performance.now();
  try {
    const ready = primed ?? (await primeInstance(deps, golden, id));
    const record = await fillInstance(deps, ready, id, startedAt, signal);
    return { address: record.address, timingsMs: record.timingsMs };
  } catch (error) {
    await destroyInstance(deps, id);
    throw error;
  }
}

/** Everything of a restore that does not need CRIU, its parts side by side. */
export async function primeInstance(deps: CriuDeps, golden: OpenGolden, id: InstanceId): Promise<PrimedInstance> {
  const layout = instanceLayout(deps.paths, id);
  const image = deps.images.find(golden.record.imageDigest);
  if (!image) {
    throw new ThawError('golden_missing', `the image ${golden.record.imageDigest} of golden ${golden.record.golden} is not on this node`, {
      fix: 'Take a new golden of the template.',
    });
  }
  requireDisk(`a clone of ${golden.record.golden}`, deps.paths.instances, minimumDiskBytes, deps.diskReserveBytes);
  await destroyInstance(deps, id); // what a crash left half-made
  mkdirSync(layout.criu, { recursive: true, mode: 0o700 });
  const cgroup = instanceCgroup(deps, id);
  makeCgroup(cgroup);
  limitBeforeRestore(cgroup, golden.record.workload.resources);
  const startedAt = performance.now();
  let rootfsMs = 0;
  const [sandbox] = await Promise.all([
    deps.sandboxes.prepare(id),
    mountRootfs(layout, [golden.layout.diff, image.rootfs]).then(() => {
      rootfsMs = elapsedMs(startedAt);
    }),
  ]);
  return { golden, sandbox, timingsMs: { sandbox: elapsedMs(startedAt), rootfs: rootfsMs } };
}

async function fillInstance(
  deps: CriuDeps,
  primed: PrimedInstance,
  id: InstanceId,
  startedAt: number,
  signal?: AbortSignal,
): Promise<InstanceRecord> {
  const { golden, sandbox } = primed;
  const { workload } = golden.record;
  requireMemory(`a clone of ${golden.record.golden}`, golden.record.pagesBytes, deps.memoryReserveBytes);
  const layout = instanceLayout(deps.paths, id);
  const partial: InstanceRecord = {
    id,
    bootId: deps.bootId,
    golden: golden.record.golden,
    imageDigest: golden.record.imageDigest,
    workload,
    address: sandbox.address,
    runThaw: sandbox.files.runThaw,
    uid: golden.record.uid,
    gid: golden.record.gid,
    dumped: false,
    timingsMs: {},
  };
  writeInstanceRecord(layout, partial);
  const criuAt = performance.now();
  const process = await runRestore(deps, primed, id, signal);
  const criuMs = elapsedMs(criuAt);
  const cgroup = instanceCgroup(deps, id);
  limitAfterRestore(cgroup, workload.resources);
  await Promise.all([
    // The only thing inside that CRIU brings back as it was: the uts namespace is entered, nothing of the image is run.
    run(['nsenter', '--target', String(process.pid), '--uts', 'hostname', sandbox.hostname], { timeoutMs: 5000 }),
    workload.egress.warm === 'none' ? undefined : deps.sandboxes.setEgress(id, workload.egress.warm),
  ]);
  writeRuncFiles(deps, golden, id, process);
  const record = { ...partial, process, timingsMs: { ...primed.timingsMs, criu: criuMs, total: elapsedMs(startedAt) } };
  writeInstanceRecord(layout, record);
  return record;
}

async function runRestore(deps: CriuDeps, { golden, sandbox }: PrimedInstance, id: InstanceId, signal?: AbortSignal) {
  const layout = instanceLayout(deps.paths, id);
  const sources = new Map(externalMounts(sandbox).map(({ destination, source }) => [destination, source]));
  const script = restoreScript({
    criu: deps.criu,
    imageDirectory: golden.layout.image,
    workDirectory: layout.criu,
    rootfs: layout.rootfs,
    pidFile: layout.pidFile,
    netnsPath: sandbox.netnsPath,
    cgroupDirectories: cgroupDirectories(instanceCgroup(deps, id)),
    externalMounts: golden.record.externalMounts.map((destination) => ({ destination, source: sources.get(destination) ?? '/dev/null' })),
    descriptors: golden.record.descriptors,
    runDirectory: deps.isRunTmpfs ? undefined : criuRunDirectory(deps),
  });
  try {
    const pid = await runUnderConmon({
      id,
      layout,
      exitsDirectory: exitsDirectory(deps.paths),
      runtime: '/bin/sh',
      runtimeArgs: ['-c', script],
      restore: true,
      shareMemory: golden.record.workload.shareMemory,
      logBytesMax,
      env: deps.runc.env,
      timeoutMs: restoreTimeoutMs,
      ...(signal ? { signal } : {}),
    });
    const process = findLiveProcess(pid);
    if (!process) throw new Error('the restored process ended at once');
    return process;
  } catch (error) {
    if (signal?.aborted) throw error;
    const log = deps.keepLog(`${layout.criu}/restore.log`, `restore-${id}.log`);
    const failure = explainRestoreFailure(readLogTail(`${layout.criu}/restore.log`));
    const said = error instanceof Error ? error.message : String(error);
    throw new ThawError(
      failure.code,
      `the restore of ${id} from ${golden.record.golden} failed: ${failure.cause} (${said}); its log: ${log}`,
      { fix: failure.fix, cause: error },
    );
  }
}

function writeRuncFiles(deps: CriuDeps, golden: OpenGolden, id: InstanceId, process: { pid: number; startTicks: number }): void {
  const layout = instanceLayout(deps.paths, id);
  const names = { id, tag: deps.tag, paths: deps.paths };
  writeFileSync(layout.config, specialise(golden.files.config, names), { mode: 0o600 });
  const state = cloneState(specialise(golden.files.runcState, names), id, process, cgroupPathsForRunc(instanceCgroup(deps, id)));
  mkdirSync(dirname(layout.runcState), { recursive: true, mode: 0o700 });
  writeFileSync(layout.runcState, state, { mode: 0o600 });
}
