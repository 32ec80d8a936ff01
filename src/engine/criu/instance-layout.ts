import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { type GoldenId, InstanceId, splitGoldenId } from '#src/platform/ids.ts';

/** Where one instance's files lie. On disk, so that reconcile finds what a crash left. */
export interface InstanceLayout {
  readonly directory: string;
  readonly record: string;
  readonly bound: string;
  /** There once its bind hook has succeeded. Goes with the directory. */
  readonly hooked: string;
  readonly config: string;
  readonly rootfs: string;
  readonly upper: string;
  readonly work: string;
  readonly log: string;
  readonly pidFile: string;
  readonly conmonPidFile: string;
  /** CRIU's work directory: its logs and statistics. */
  readonly criu: string;
  /** A null device of the instance's own, behind the paths that runc masks: a root inside may change its mode and owner. */
  readonly nullDevice: string;
  /** A FIFO at which a primed instance waits to be filled. */
  readonly gate: string;
  readonly exitFile: string;
  readonly runcState: string;
}

export function instanceLayout(paths: DataPaths, id: InstanceId): InstanceLayout {
  const directory = join(paths.instances, id);
  return {
    directory,
    record: join(directory, 'record.json'),
    bound: join(boundDirectory(paths), id),
    hooked: join(directory, 'hooked'),
    config: join(directory, 'config.json'),
    rootfs: join(directory, 'rootfs'),
    upper: join(directory, 'upper'),
    work: join(directory, 'work'),
    log: join(directory, 'output.log'),
    pidFile: join(directory, 'pid'),
    conmonPidFile: join(directory, 'conmon.pid'),
    criu: join(directory, 'criu'),
    nullDevice: join(directory, 'null'),
    gate: join(directory, 'gate'),
    exitFile: join(exitsDirectory(paths), id),
    runcState: join(runcRoot(paths), id, 'state.json'),
  };
}

/** Where one golden's files lie. Nothing below changes once the directory has its final name (law 5). */
export interface GoldenLayout {
  readonly directory: string;
  /** CRIU's images: shared read-only by all clones. */
  readonly image: string;
  /** What the primer changed in its root filesystem: an overlay layer under each clone. */
  readonly diff: string;
  readonly record: string;
  readonly config: string;
  readonly runcState: string;
  readonly manifest: string;
}

export function goldenLayout(directory: string): GoldenLayout {
  return {
    directory,
    image: join(directory, 'image'),
    diff: join(directory, 'diff'),
    record: join(directory, 'golden.json'),
    config: join(directory, 'config.json'),
    runcState: join(directory, 'state.json'),
    manifest: join(directory, 'manifest.json'),
  };
}

export function goldenDirectory(paths: DataPaths, golden: GoldenId): string {
  const { template, number } = splitGoldenId(golden);
  return join(paths.goldens, template, String(number));
}

/** runc's own states: in the tmpfs, because they mean nothing after a reboot. */
export function runcRoot(paths: DataPaths): string {
  return join(paths.run, 'runc');
}

/** Whom each instance was bound to. In the tmpfs, which is quicker: an instance does not outlive the boot. */
export function boundDirectory(paths: DataPaths): string {
  return join(paths.run, 'bound');
}

/** conmon writes one file an ended instance, named by its id, holding the exit code. */
export function exitsDirectory(paths: DataPaths): string {
  return join(paths.run, 'exits');
}

/** Instances that something in this directory is named after; none when there is no such directory. */
export function readInstanceIds(directory: string): InstanceId[] {
  try {
    return readdirSync(directory).filter(isInstanceId);
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return [];
    throw error;
  }
}

export function isInstanceId(name: string): name is InstanceId {
  return InstanceId.safeParse(name).success;
}
