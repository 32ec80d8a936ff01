import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RestoredInstance } from '#src/engine/engine.ts';
import { newCloneIdentity } from '#src/engine/identity.ts';
import { elapsedMs, systemClock } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { findLiveProcess, type LiveProcess } from '#src/platform/live-process.ts';
import { run } from '#src/platform/subprocess.ts';
import { cgroupPathsForRunc } from './cgroup-host.ts';
import { cgroupMounts } from './cgroup-mounts.ts';
import { limitAfterRestore } from './cgroups.ts';
import { awaitStarted } from './conmon.ts';
import { explainRestoreFailure, readLogTail } from './criu-failures.ts';
import { destroyInstance } from './destroy-instance.ts';
import { type CriuDeps, criuRunDirectory, instanceCgroup } from './engine-deps.ts';
import { passGate } from './gate.ts';
import { instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord, writeInstanceRecord } from './instance-record.ts';
import { externalMounts } from './oci-spec.ts';
import type { OpenGolden } from './open-golden.ts';
import { type PrimedInstance, primeInstance } from './prime-instance.ts';
import { fillScript } from './restore-command.ts';
import { writeRunThaw } from './run-thaw.ts';
import { cloneState, specialise } from './runc-state.ts';

const restoreTimeoutMs = 60_000;

/** Fills a primed instance, or primes one first. Cleans up when it fails or is aborted. */
export async function restoreInstance(
  deps: CriuDeps,
  golden: OpenGolden,
  id: InstanceId,
  primed: PrimedInstance | undefined,
  signal: AbortSignal,
): Promise<RestoredInstance> {
  const existing = readInstanceRecord(instanceLayout(deps.paths, id));
  if (isRunning(existing)) return { address: existing.address, timingsMs: existing.timingsMs };
  const startedAt = performance.now();
  signal.throwIfAborted();
  const ready = primed ?? (await primeInstance(deps, golden, id));
  try {
    const { golden: name, pagesBytes } = golden.record;
    const record = await deps.memory.hold(`a clone of ${name}`, pagesBytes, () => fillInstance(deps, ready, id, startedAt, signal));
    return { address: record.address, timingsMs: record.timingsMs };
  } catch (error) {
    await destroyInstance(deps, id);
    throw error;
  }
}

async function fillInstance(
  deps: CriuDeps,
  primed: PrimedInstance,
  id: InstanceId,
  startedAt: number,
  signal: AbortSignal,
): Promise<InstanceRecord> {
  const { golden, sandbox } = primed;
  const { workload, imageDigest, uid, gid, checkpointedAtMs } = golden.record;
  const layout = instanceLayout(deps.paths, id);
  if (workload.egress.warm !== 'none') await deps.sandboxes.setEgress(id, workload.egress.warm);
  const identity = newCloneIdentity(id, checkpointedAtMs, systemClock.nowMs());
  writeRunThaw(sandbox.files.runThaw, 'identity.json', JSON.stringify(identity), { uid, gid }); // before anything of it runs
  const criuAt = performance.now();
  const process = await runRestore(deps, primed, id, signal);
  const criuMs = elapsedMs(criuAt);
  limitAfterRestore(instanceCgroup(deps, id), workload.resources);
  // The only thing inside that CRIU brings back as it was: the uts namespace is entered, nothing of the image is run.
  await run(['nsenter', '--target', String(process.pid), '--uts', 'hostname', sandbox.hostname], { timeoutMs: 5000 });
  writeRuncFiles(deps, golden, id, process);
  const record: InstanceRecord = {
    id,
    bootId: deps.bootId,
    golden: golden.record.golden,
    goldenDigest: golden.seal.digest,
    imageDigest,
    workload,
    address: sandbox.address,
    runThaw: sandbox.files.runThaw,
    uid,
    gid,
    process,
    dumped: false,
    timingsMs: { ...primed.timingsMs, criu: criuMs, total: elapsedMs(startedAt) },
  };
  writeInstanceRecord(layout, record);
  return record;
}

async function runRestore(
  deps: CriuDeps,
  { golden, sandbox, conmon }: PrimedInstance,
  id: InstanceId,
  signal: AbortSignal,
): Promise<LiveProcess> {
  const layout = instanceLayout(deps.paths, id);
  const sources = new Map(
    externalMounts(sandbox, cgroupMounts(instanceCgroup(deps, id), deps.paths)).map(({ destination, source }) => [destination, source]),
  );
  const script = fillScript({
    criu: deps.criu,
    imageDirectory: golden.layout.image,
    workDirectory: layout.criu,
    rootfs: layout.rootfs,
    pidFile: layout.pidFile,
    netnsPath: sandbox.netnsPath,
    nullDevice: layout.nullDevice,
    externalMounts: golden.record.externalMounts.map((destination) => ({ destination, source: sources.get(destination) ?? '/dev/null' })),
    descriptors: golden.record.descriptors,
    runDirectory: deps.isRunTmpfs ? undefined : criuRunDirectory(deps),
  });
  try {
    // A conmon that failed meanwhile would leave nobody at the gate.
    await Promise.race([passGate(layout.gate, script, signal), conmon.started]);
    const process = findLiveProcess(await awaitStarted(conmon, restoreTimeoutMs, signal));
    if (!process) throw new Error('the restored process ended at once');
    return process;
  } catch (error) {
    throw signal.aborted ? error : describeFailure(deps, golden, id, error);
  }
}

function describeFailure(deps: CriuDeps, golden: OpenGolden, id: InstanceId, error: unknown): ThawError {
  const file = join(instanceLayout(deps.paths, id).criu, 'restore.log');
  const { code, cause, fix } = explainRestoreFailure(readLogTail(file));
  const log = deps.keepLog(file, `restore-${id}.log`);
  const said = error instanceof Error ? error.message : String(error);
  return new ThawError(code, `the restore of ${id} from ${golden.record.golden} failed: ${cause} (${said}); its log: ${log}`, {
    fix,
    cause: error,
  });
}

function writeRuncFiles(deps: CriuDeps, golden: OpenGolden, id: InstanceId, process: LiveProcess): void {
  const layout = instanceLayout(deps.paths, id);
  const names = { id, tag: deps.tag, paths: deps.paths };
  writeFileSync(layout.config, specialise(golden.files.config, names), { mode: 0o600 });
  const state = cloneState(specialise(golden.files.runcState, names), id, process, cgroupPathsForRunc(instanceCgroup(deps, id)));
  mkdirSync(dirname(layout.runcState), { recursive: true, mode: 0o700 });
  writeFileSync(layout.runcState, state, { mode: 0o600 });
}
