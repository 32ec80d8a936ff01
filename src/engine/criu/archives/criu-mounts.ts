import { bytesField, type Field, numberOf, replaceFields, textOf, varintField } from './protobuf.ts';

/** Numbers of mnt_entry in CRIU's mnt.proto. */
const mountField = {
  fstype: 1,
  id: 2,
  device: 3,
  parent: 4,
  flags: 5,
  root: 6,
  mountPoint: 7,
  source: 8,
  options: 9,
  extMount: 13,
  key: 18,
};
const numbers = Object.values(mountField);

/** Of fstype in mnt.proto: those that a container has of its own. */
export const fileSystems = { proc: 1, sysfs: 2, tmpfs: 5, devpts: 6, mqueue: 14, cgroup2: 23 };

/** MS_RDONLY and MS_NODEV of mount(2). */
export const readOnly = 1;
export const noDevices = 4;
/** MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, and the same with MS_RDONLY. */
export const quietFlags = 0x20000e;
export const quietReadOnlyFlags = 0x20000f;

/** What runc lays over masked files is bound from there, under this name. */
export const nullDevice = '/dev/null';

/** One mount of a dumped mount namespace. */
export interface CriuMount {
  readonly fstype: number;
  readonly id: number;
  readonly device: number;
  readonly parent: number;
  readonly flags: number;
  readonly root: string;
  readonly mountPoint: string;
  readonly source: string;
  readonly options: string;
  /** By which who restores it says what lies behind it; its mount point for what runc calls a bind mount. */
  readonly key: string | undefined;
  /** What is told of it beside: propagation, flags of the file system. */
  readonly rest: readonly Field[];
}

/** Throws RangeError for an entry that lacks what every mount has, or is one of CRIU before 2.0. */
export function readMount(entry: readonly Field[]): CriuMount {
  const number = (which: number) => numberOf(entry, which) ?? missing(which);
  const text = (which: number) => textOf(entry, which) ?? missing(which);
  if ((numberOf(entry, mountField.extMount) ?? 0) !== 0) throw new RangeError('a mount is external by an old name');
  return {
    fstype: number(mountField.fstype),
    id: number(mountField.id),
    device: number(mountField.device),
    parent: number(mountField.parent),
    flags: number(mountField.flags),
    root: text(mountField.root),
    mountPoint: text(mountField.mountPoint),
    source: text(mountField.source),
    options: text(mountField.options),
    key: textOf(entry, mountField.key),
    rest: replaceFields(entry, numbers, []),
  };
}

export function writeMount(mount: CriuMount): Field[] {
  return [
    varintField(mountField.fstype, mount.fstype),
    varintField(mountField.id, mount.id),
    varintField(mountField.device, mount.device),
    varintField(mountField.parent, mount.parent),
    varintField(mountField.flags, mount.flags),
    bytesField(mountField.root, mount.root),
    bytesField(mountField.mountPoint, mount.mountPoint),
    bytesField(mountField.source, mount.source),
    bytesField(mountField.options, mount.options),
    ...mount.rest,
    ...(mount.key === undefined ? [] : [bytesField(mountField.key, mount.key)]),
  ];
}

/** A number that no file system of the image has. CRIU names a tmpfs's contents by it; 20 bits, so that it reads as a minor number. */
export function unusedDevice(mounts: readonly CriuMount[]): number {
  let device = 0xfffff;
  while (mounts.some((mount) => mount.device === device)) device--;
  return device;
}

function missing(which: number): never {
  throw new RangeError(`a mount lacks field ${which}`);
}
