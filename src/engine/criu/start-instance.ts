import { mkdirSync } from 'node:fs';
import type { StartedInstance, StartOptions } from '#src/engine/engine.ts';
import type { Workload } from '#src/engine/workload.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { findLiveProcess } from '#src/platform/live-process.ts';
import { awaitStarted, startConmon } from './conmon.ts';
import { destroyInstance } from './destroy-instance.ts';
import type { CriuDeps } from './engine-deps.ts';
import { ensureExactImage } from './images/exact-image.ts';
import { resolveUser } from './images/resolve-user.ts';
import type { PreparedImage } from './images/stored-image.ts';
import { exitsDirectory, instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord, writeInstanceRecord } from './instance-record.ts';
import { makeBundle } from './make-bundle.ts';
import { requireDisk } from './node-reserve.ts';
import { logBytesMax } from './output-log.ts';

const createTimeoutMs = 30_000;
const minimumDiskBytes = 64 * 1024 * 1024;

/** Pulls the image when it is not there, makes a sandbox and runs the command by runc under conmon. Cleans up when it fails. */
export async function startInstance(
  deps: CriuDeps,
  workload: Workload,
  id: InstanceId,
  signal: AbortSignal,
  { imageDigest }: StartOptions = {},
): Promise<StartedInstance> {
  const layout = instanceLayout(deps.paths, id);
  const existing = readInstanceRecord(layout);
  if (isRunning(existing)) return { address: existing.address, timingsMs: existing.timingsMs };
  await destroyInstance(deps, id); // what a crash left half-made
  try {
    const { memoryBytes } = workload.resources;
    const record = await deps.memory.hold(`the start of ${id}`, memoryBytes, () => startFresh(deps, workload, id, imageDigest, signal));
    return { address: record.address, timingsMs: record.timingsMs };
  } catch (error) {
    await destroyInstance(deps, id);
    throw error;
  }
}

async function startFresh(
  deps: CriuDeps,
  workload: Workload,
  id: InstanceId,
  imageDigest: string | undefined,
  signal: AbortSignal,
): Promise<InstanceRecord> {
  const layout = instanceLayout(deps.paths, id);
  requireDisk(`the start of ${id}`, deps.paths.instances, minimumDiskBytes, deps.diskReserveBytes);
  const startedAt = performance.now();
  const image = await (imageDigest === undefined
    ? deps.images.ensure(workload.image, signal)
    : findImage(deps, workload, imageDigest, signal));
  const imageMs = elapsedMs(startedAt);
  const user = await resolveUser(image.rootfs, workload.user ?? image.config.user);

  mkdirSync(layout.criu, { recursive: true, mode: 0o700 });
  const sandboxAt = performance.now();
  const sandbox = await deps.sandboxes.prepare(id);
  const partial: InstanceRecord = {
    id,
    bootId: deps.bootId,
    imageDigest: image.digest,
    workload,
    address: sandbox.address,
    runThaw: sandbox.files.runThaw,
    uid: user.uid,
    gid: user.gid,
    dumped: false,
    timingsMs: {},
  };
  writeInstanceRecord(layout, partial);
  await deps.sandboxes.setEgress(id, workload.egress.warm);
  await makeBundle(deps, id, image, { workload, user, sandbox });
  const runcAt = performance.now();
  const pid = await createAndStart(deps, workload, id, signal);
  const process = findLiveProcess(pid);
  const timingsMs = { image: imageMs, sandbox: Math.round(runcAt - sandboxAt), runc: elapsedMs(runcAt), total: elapsedMs(startedAt) };
  const record = { ...partial, timingsMs, process: process ?? { pid, startTicks: 0 } }; // ended already: startTicks 0 matches nothing
  writeInstanceRecord(layout, record);
  return record;
}

/** The one that is here already, whatever its reference stands for by now: it may have been a directory. */
async function findImage({ images }: CriuDeps, { image }: Workload, digest: string, signal: AbortSignal): Promise<PreparedImage> {
  const fix = 'Bring that image back to where the template says, or capture a new golden.';
  return images.find(digest) ?? (await ensureExactImage(images, image, digest, fix, signal));
}

async function createAndStart(deps: CriuDeps, workload: Workload, id: InstanceId, signal: AbortSignal): Promise<number> {
  const layout = instanceLayout(deps.paths, id);
  try {
    const conmon = startConmon({
      id,
      layout,
      exitsDirectory: exitsDirectory(deps.paths),
      runtime: deps.runc.program,
      runtimeArgs: deps.runc.globalArgs,
      restore: false,
      shareMemory: workload.shareMemory,
      logBytesMax,
      env: deps.runc.env,
    });
    const pid = await awaitStarted(conmon, createTimeoutMs, signal);
    await deps.runc.run(['start', id], { timeoutMs: 10_000, signal });
    return pid;
  } catch (error) {
    if (signal.aborted) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new ThawError('app_start_failed', `${workload.image} could not be started: ${lastLine(message)}`, {
      fix: "Check the template's command, workdir and user against the image.",
      cause: error,
    });
  }
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^.*level=error msg="?/, '')
      .slice(0, 500) ?? text
  );
}
