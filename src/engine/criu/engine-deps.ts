import { join } from 'node:path';
import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import type { DataPaths } from '#src/platform/config.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Cgroup, CgroupHost } from './cgroup-host.ts';
import type { ImageAccess } from './images/image-access.ts';
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
  readonly imageAccess: ImageAccess;
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

/** The largest deleted file that a dump takes along, and a restore brings back. */
export const ghostLimitBytes = 64 * 1024 * 1024;

/**
 * Where CRIU looks for what an app watches by inotify: on overlayfs it can not ask the kernel, and by itself it looks into /etc, /var/log and
 * /var/spool only. It looks only when something is watched; /proc, /sys and /dev would have no end.
 */
export const watchedRoots = [
  ...[
    'app',
    'bin',
    'code',
    'data',
    'etc',
    'home',
    'lib',
    'lib64',
    'media',
    'mnt',
    'opt',
    'root',
    'run',
    'sbin',
    'srv',
    'tmp',
    'usr',
    'var',
  ],
  ...['work', 'workspace', 'workspaces'],
].map((name) => `/${name}`);

/** Without these, CRIU forks iptables, refuses connections and locks, gives up on a client that just knocks, or does not find what is watched. */
export const criuOptions = [
  ...['network-lock skip', 'tcp-close', 'skip-in-flight', 'file-locks', `ghost-limit ${ghostLimitBytes}`],
  ...watchedRoots.map((path) => `irmap-scan-path ${path}`),
  '',
].join('\n');

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
