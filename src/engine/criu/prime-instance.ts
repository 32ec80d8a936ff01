import { mkdirSync } from 'node:fs';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { cgroupDirectories } from './cgroup-host.ts';
import { limitBeforeRestore, makeCgroup } from './cgroups.ts';
import { type ConmonRun, startConmon } from './conmon.ts';
import { destroyInstance } from './destroy-instance.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { exitsDirectory, instanceLayout } from './instance-layout.ts';
import { requireDisk } from './node-reserve.ts';
import type { OpenGolden } from './open-golden.ts';
import { logBytesMax } from './output-log.ts';
import { mountRootfs } from './overlay.ts';
import { parkScript } from './restore-command.ts';

const minimumDiskBytes = 16 * 1024 * 1024;

/** All of a clone but its memory: a sandbox, a root filesystem, and a shell in its cgroups under its conmon, waiting to become CRIU. */
export interface PrimedInstance {
  readonly golden: OpenGolden;
  readonly sandbox: Sandbox;
  readonly conmon: ConmonRun;
  readonly timingsMs: { readonly sandbox: number; readonly rootfs: number };
}

/** Everything of a restore that does not need the golden's memory, its parts side by side. Cleans up when it fails. */
export async function primeInstance(deps: CriuDeps, golden: OpenGolden, id: InstanceId): Promise<PrimedInstance> {
  const image = deps.images.find(golden.record.imageDigest);
  if (!image) {
    throw new ThawError('golden_missing', `the image ${golden.record.imageDigest} of golden ${golden.record.golden} is not on this node`, {
      fix: 'Take a new golden of the template.',
    });
  }
  requireDisk(`a clone of ${golden.record.golden}`, deps.paths.instances, minimumDiskBytes, deps.diskReserveBytes);
  await destroyInstance(deps, id); // what a crash left half-made
  try {
    return await makeParts(deps, golden, image.rootfs, id);
  } catch (error) {
    await destroyInstance(deps, id);
    throw error;
  }
}

async function makeParts(deps: CriuDeps, golden: OpenGolden, imageRootfs: string, id: InstanceId): Promise<PrimedInstance> {
  const layout = instanceLayout(deps.paths, id);
  const cgroup = instanceCgroup(deps, id);
  const startedAt = performance.now();
  mkdirSync(layout.criu, { recursive: true, mode: 0o700 });
  makeCgroup(cgroup);
  limitBeforeRestore(cgroup, golden.record.workload.resources);
  const conmon = startConmon({
    id,
    layout,
    exitsDirectory: exitsDirectory(deps.paths),
    runtime: '/bin/sh',
    runtimeArgs: ['-c', parkScript(layout.gate, layout.nullDevice, cgroupDirectories(cgroup))],
    restore: true,
    shareMemory: golden.record.workload.shareMemory,
    logBytesMax,
    env: deps.runc.env,
  });
  const timed = async <T>(part: Promise<T>) => [await part, elapsedMs(startedAt)] as const;
  // Both to their end, also when one fails: what is made after the clean-up would stay.
  const [prepared, mounted] = await Promise.allSettled([
    timed(deps.sandboxes.prepare(id)),
    timed(mountRootfs(layout, [golden.layout.diff, imageRootfs])),
  ]);
  if (prepared.status === 'rejected') throw prepared.reason;
  if (mounted.status === 'rejected') throw mounted.reason;
  return { golden, sandbox: prepared.value[0], conmon, timingsMs: { sandbox: prepared.value[1], rootfs: mounted.value[1] } };
}
