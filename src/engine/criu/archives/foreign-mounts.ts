import { archiveUnsupported } from './archive-problems.ts';
import { type CriuMount, fileSystems, noDevices, nullDevice, quietReadOnlyFlags, readOnly, unusedDevice } from './criu-mounts.ts';
import { requireHarmlessMounts } from './harmless-mounts.ts';
import { varintField } from './protobuf.ts';

/** Read-only, and by shared_id, master_id and sb_flags nobody else's. */
const bound = { flags: quietReadOnlyFlags, rest: [varintField(10, 0), varintField(11, 0), varintField(17, 0)] };

/** What engines bind into each container, and no app depends on. Without the mount the path is what the image has there. */
const dispensable = ['/run/.containerenv', '/run/secrets', '/dev/termination-log', '/var/run/secrets/kubernetes.io/serviceaccount'];

export interface AdaptedMounts {
  readonly mounts: readonly CriuMount[];
  /** What a clone needs a source of its own for: `externalMounts` of the golden. */
  readonly external: readonly string[];
  /** Number of the tmpfs that /dev/shm has become, where it was bound from the other engine's host. */
  readonly shmDevice?: number;
}

/**
 * The mounts of another engine's container as a clone of ours can have them. CRIU adds no mount at a restore, but makes all that the image
 * lists (tried with 4.2.1): so the image is given ours (`ownMounts`: /run/thaw and so on), and loses what only the other engine has.
 * Throws archive_unsupported for what came from its host and is not in the archive.
 */
export function adaptMounts(dumped: readonly CriuMount[], ownMounts: readonly string[]): AdaptedMounts {
  const ownFiles = ownMounts.filter((path) => !isOfCgroups(path));
  const root = dumped.find(({ mountPoint }) => mountPoint === '/');
  if (!root) throw archiveUnsupported('the container has no root mount of its own', 'Take the checkpoint of a container.');
  const shmDevice = unusedDevice(dumped);
  const device = unusedDevice([{ ...root, device: shmDevice }, ...dumped]);
  const bind = (path: string) => ({
    device,
    fstype: fileSystems.tmpfs,
    root: `/thaw${path}`,
    source: 'thaw-run',
    options: '',
    ...bound,
    key: path,
  });
  const kept = dumped
    .flatMap((mount) => keepMount(mount, shmDevice, ownMounts))
    .map((mount) => (mount.key !== undefined && ownFiles.includes(mount.key) ? { ...mount, ...bind(mount.key) } : mount));
  const missing = ownFiles.filter((path) => !kept.some(({ mountPoint }) => mountPoint === path));
  const firstId = Math.max(...dumped.map(({ id }) => id)) + 1;
  const added = missing.map((path, index): CriuMount => ({ ...bind(path), id: firstId + index, parent: root.id, mountPoint: path }));
  const mounts = [...added, ...kept]; // as CRIU writes them: what was mounted last comes first
  requireHarmlessMounts(mounts, ownMounts);
  const external = mounts.flatMap(({ key }) => (key === undefined || key === nullDevice ? [] : [key]));
  return { mounts, external, ...(mounts.some(({ device }) => device === shmDevice) ? { shmDevice } : {}) };
}

function keepMount(mount: CriuMount, shmDevice: number, ownMounts: readonly string[]): CriuMount[] {
  const { key, mountPoint, fstype, flags } = mount;
  if (mountPoint === '/') return [{ ...mount, flags: flags | noDevices }];
  if (key === undefined) {
    const isKernels = fstype === fileSystems.sysfs || fstype === fileSystems.cgroup2;
    return [isKernels ? { ...mount, flags: flags | readOnly } : mount];
  }
  if (ownMounts.includes(key)) return [{ ...mount, flags: mount.flags | readOnly }];
  if (key === '/dev/shm') return [{ ...mount, device: shmDevice, fstype: fileSystems.tmpfs, root: '/', source: 'shm', key: undefined }];
  return dispensable.includes(key) || isOfCgroups(key) ? [] : [mount];
}

/** Of version 1, and shown only where the clone's node has it too; version 2's is no bind mount of podman's. */
function isOfCgroups(path: string): boolean {
  return path === '/sys/fs/cgroup' || path.startsWith('/sys/fs/cgroup/');
}
