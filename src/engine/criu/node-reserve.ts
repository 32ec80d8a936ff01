import { readFileSync, statfsSync } from 'node:fs';
import { ThawError } from '#src/platform/errors.ts';

export interface MemoryInfo {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

export function readMemoryInfo(text = readFileSync('/proc/meminfo', 'utf8')): MemoryInfo {
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return { totalBytes: kilobytes('MemTotal') * 1024, availableBytes: kilobytes('MemAvailable') * 1024 };
}

export function readDiskFreeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** Throws memory_reserve when taking `needBytes` would leave the node less than its reserve. */
export function requireMemory(what: string, needBytes: number, reserveBytes: number): void {
  const { availableBytes } = readMemoryInfo();
  if (availableBytes - needBytes >= reserveBytes) return;
  throw new ThawError(
    'memory_reserve',
    `${what} needs ${megabytes(needBytes)} MB; ${megabytes(availableBytes)} MB are available and ${megabytes(reserveBytes)} MB are reserved`,
    {
      fix: 'Make pools smaller, add memory or a node, or lower THAW_MEMORY_RESERVE_MB.',
    },
  );
}

/** Throws disk_reserve when writing `needBytes` would leave the file system less than its reserve. */
export function requireDisk(what: string, path: string, needBytes: number, reserveBytes: number): void {
  const freeBytes = readDiskFreeBytes(path);
  if (freeBytes - needBytes >= reserveBytes) return;
  throw new ThawError(
    'disk_reserve',
    `${what} needs ${megabytes(needBytes)} MB on the disk of ${path}; ${megabytes(freeBytes)} MB are free and ${megabytes(reserveBytes)} MB are reserved`,
    {
      fix: 'Delete goldens and images that are not in use, free disk space, or lower THAW_DISK_RESERVE_MB.',
    },
  );
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1024 / 1024);
}
