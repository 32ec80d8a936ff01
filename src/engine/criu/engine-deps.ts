import { join } from 'node:path';
import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import type { DataPaths } from '#src/platform/config.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Cgroup, CgroupHost } from './cgroup-host.ts';
import type { ImageStore } from './images/image-store.ts';
import type { MemoryHolds } from './memory-holds.ts';
import type { Runc } from './runc.ts';

/** What the parts of this adapter share. */
export interface CriuDeps {
  readonly paths: DataPaths;
  /** Six hex digits of the data directory. */
  readonly tag: string;
  readonly criu: string;
  readonly runc: Runc;
  readonly images: ImageStore;
  readonly sandboxes: SandboxProvider;
  readonly cgroupHost: CgroupHost;
  readonly bootId: string;
  readonly memory: MemoryHolds;
  readonly memoryReserveBytes: number;
  readonly diskReserveBytes: number;
  /** False in many containers and here: CRIU then dumps only as the user of the app. */
  readonly hasSysResource: boolean;
  /** Whether /run is a tmpfs, where CRIU keeps its kdat cache. */
  readonly isRunTmpfs: boolean;
  /** Copies a log out of what will be removed; answers where it is kept. */
  keepLog(file: string, name: string): string;
}

/** Without these, CRIU forks iptables, refuses connections and locks, or gives up on a client that just knocks (FACTS). */
export const criuOptions = 'network-lock skip\ntcp-close\nskip-in-flight\nfile-locks\nghost-limit 67108864\n';

export function criuConfigFile(deps: Pick<CriuDeps, 'paths'>): string {
  return join(deps.paths.run, 'criu.conf');
}

/** Holds CRIU's cache of kernel probing; a tmpfs, or CRIU would not use it. */
export function criuRunDirectory(deps: Pick<CriuDeps, 'paths'>): string {
  return join(deps.paths.run, 'criu');
}

/** The parent of all our groups. */
export function allInstancesCgroup(deps: Pick<CriuDeps, 'tag' | 'cgroupHost'>): Cgroup {
  return { host: deps.cgroupHost, path: `/thaw-${deps.tag}` };
}

export function instanceCgroup(deps: Pick<CriuDeps, 'tag' | 'cgroupHost'>, id: InstanceId): Cgroup {
  return { host: deps.cgroupHost, path: `/thaw-${deps.tag}/${id}` };
}
