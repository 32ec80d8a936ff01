import { existsSync } from 'node:fs';
import { maskedPaths, readonlyPaths } from '#src/engine/criu/oci-spec.ts';
import { archiveUnsupported } from './archive-problems.ts';
import { type CriuMount, fileSystems, noDevices, nullDevice, readOnly } from './criu-mounts.ts';

/**
 * What CRIU, who is root on the host, mounts for a clone stands in the image, and an image can be written by anybody. So it is let through only
 * if its clones see no more of the host than our own: nothing bound but what is ours, the kernel's settings read-only, its secrets covered.
 * Throws archive_unsupported.
 */
export function requireHarmlessMounts(mounts: readonly CriuMount[], ownMounts: readonly string[]): void {
  for (const mount of mounts) {
    const why = whatIsWrong(mount, mounts, ownMounts);
    if (why !== undefined) throw refused(`a mount at ${mount.mountPoint} that ${why}`);
  }
  const bare = coveredPaths().find((path) => !mounts.some(({ mountPoint }) => mountPoint === path));
  if (bare !== undefined) throw refused(`${bare} of its host within reach`);
}

/** Paths of this kernel's that every instance must have covered. */
export function coveredPaths(): string[] {
  return [...maskedPaths, ...readonlyPaths].filter((path) => existsSync(path));
}

function whatIsWrong(mount: CriuMount, mounts: readonly CriuMount[], ownMounts: readonly string[]): string | undefined {
  const { mountPoint, key, fstype } = mount;
  if (!mountPoint.startsWith('/') || mountPoint.split('/').includes('..')) return 'is no place in the container';
  const outside = key === undefined ? undefined : whatIsWrongOutside(mount, key, ownMounts);
  if (outside !== undefined) return outside;
  if (mounts.some((other) => other !== mount && other.mountPoint === mountPoint)) return 'is covered by another';
  const mates = mounts.filter(({ device }) => device === mount.device);
  if (mates.some((mate) => mate.fstype !== fstype || isExternal(mate) !== isExternal(mount)))
    return 'shares a file system with one of another kind';
  if (mountPoint !== '/' && parentOf(mount, mounts)?.id !== mount.parent) return 'hangs where it should not';
  if (key !== undefined) return undefined;
  const isReadOnly = (mount.flags & readOnly) !== 0;
  if (mountPoint === '/') return (mount.flags & noDevices) === 0 ? 'allows devices' : undefined;
  if (fstype === fileSystems.proc)
    return mountPoint === '/proc' || (mountPoint.startsWith('/proc/') && isReadOnly) ? undefined : 'shows the kernel';
  if (fstype === fileSystems.sysfs || fstype === fileSystems.cgroup2) {
    const place = fstype === fileSystems.sysfs ? '/sys' : '/sys/fs/cgroup';
    return mountPoint === place && isReadOnly ? undefined : 'lets the kernel be changed';
  }
  const others: readonly number[] = [fileSystems.tmpfs, fileSystems.devpts, fileSystems.mqueue];
  return others.includes(fstype) ? undefined : `CRIU would have to mount from the host (${mount.source}, type ${fstype})`;
}

function whatIsWrongOutside(mount: CriuMount, key: string, ownMounts: readonly string[]): string | undefined {
  if (key === nullDevice) return coveredPaths().includes(mount.mountPoint) ? undefined : 'shows the null device of the host';
  if (key !== mount.mountPoint || !ownMounts.includes(key)) return 'its host bound there, which is not in the archive';
  return (mount.flags & readOnly) === 0 ? 'could be written to' : undefined;
}

/** The devices of masked files are those of /dev, as seen from outside. */
function isExternal({ key }: CriuMount): boolean {
  return key !== undefined && key !== nullDevice;
}

function parentOf({ mountPoint }: CriuMount, mounts: readonly CriuMount[]): CriuMount | undefined {
  const above = mounts.filter((other) => other.mountPoint !== mountPoint && isAbove(other.mountPoint, mountPoint));
  return above.toSorted((a, b) => b.mountPoint.length - a.mountPoint.length)[0];
}

function isAbove(upper: string, lower: string): boolean {
  return upper === '/' || lower.startsWith(`${upper}/`);
}

function refused(what: string) {
  return archiveUnsupported(
    `the container has ${what}`,
    'Run it unprivileged and without volumes, or with the files in its image, and take the checkpoint again.',
  );
}
