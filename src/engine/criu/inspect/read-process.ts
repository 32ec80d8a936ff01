import { readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';

/** What a file descriptor of a process, or a file in its memory, is. */
export interface OpenFile {
  /** Its descriptor; -1 for a file in memory. */
  readonly fd: number;
  /** As /proc names it: `/tmp/log (deleted)`, `socket:[4711]`, `anon_inode:[eventfd]`. */
  readonly link: string;
  /** Absent where the kernel does not let it be looked at. */
  readonly stats: Stats | undefined;
  /** Of the mount that it was opened on; undefined for a file in memory. */
  readonly mountId: number | undefined;
  /** Of an inotify descriptor: what it watches. */
  readonly watches: readonly Watch[];
}

/** What is watched: a file by its number, and its device as /proc/PID/mountinfo names it, `0:42`. */
export interface Watch {
  readonly inode: string;
  readonly device: string;
}

interface Mount {
  readonly id: number;
  readonly device: string;
  /** Inside. */
  readonly mountPoint: string;
}

/** One process of an instance, as /proc shows it from outside. */
export interface InspectedProcess {
  readonly pid: number;
  /** Name and pid inside: `nginx (pid 7)`. */
  readonly label: string;
  /** Real, effective and saved user and group. */
  readonly ids: { readonly uids: readonly number[]; readonly gids: readonly number[] };
  /** Pid of the process that traces it, as the host numbers it; 0 when nobody does. */
  readonly tracer: number;
  readonly isStopped: boolean;
  readonly files: readonly OpenFile[];
  readonly mapped: readonly OpenFile[];
  readonly mounts: readonly Mount[];
}

/** Undefined when it has ended. What a process opens or closes meanwhile may be missed: whoever needs all of it lets it stand still. */
export function readProcess(pid: number): InspectedProcess | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
    const numbers = (name: string) => field(name).split(/\s+/).map(Number);
    return {
      pid,
      label: `${field('Name')} (pid ${numbers('NSpid').at(-1) ?? pid})`,
      ids: { uids: numbers('Uid').slice(0, 3), gids: numbers('Gid').slice(0, 3) },
      tracer: Number(field('TracerPid')),
      isStopped: field('State').startsWith('T'),
      files: readFiles(pid),
      mapped: readMapped(pid),
      mounts: readMounts(pid),
    };
  } catch {
    return undefined;
  }
}

/** Inodes of the sockets that processes hold, each with the first that holds it. */
export function socketHolders(processes: readonly InspectedProcess[]): Map<string, InspectedProcess> {
  const holders = new Map<string, InspectedProcess>();
  for (const process of processes) {
    for (const { link } of process.files) {
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode !== undefined && !holders.has(inode)) holders.set(inode, process);
    }
  }
  return holders;
}

function readFiles(pid: number): OpenFile[] {
  return readNames(`/proc/${pid}/fd`).flatMap((fd) => {
    const link = tryTo(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
    if (link === undefined) return []; // closed meanwhile
    const info = tryTo(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8')) ?? '';
    const mountId = /^mnt_id:\s+(\d+)$/m.exec(info)?.[1];
    const stats = tryTo(() => statSync(`/proc/${pid}/fd/${fd}`));
    return [{ fd: Number(fd), link, stats, mountId: mountId === undefined ? undefined : Number(mountId), watches: readWatches(info) }];
  });
}

/** `inotify wd:1 ino:2a sdev:2d mask:fff …`, in hex; the device holds its minor number in the lower twenty bits. */
function readWatches(info: string): Watch[] {
  return [...info.matchAll(/^inotify wd:\S+ ino:(\S+) sdev:(\S+) /gm)].map(([, inode = '0', device = '0']) => {
    const number = Number.parseInt(device, 16);
    return { inode: String(BigInt(`0x${inode}`)), device: `${number >>> 20}:${number & 0xfffff}` };
  });
}

/** Only what may hinder: deleted files, devices and what is no file at all. */
const suspicious = / \(deleted\)$|^\/dev\/|^anon_inode:|^\[uprobes\]/;

function readMapped(pid: number): OpenFile[] {
  const mapped = new Map<string, OpenFile>();
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, range = '', inode = '', link = ''] = /^(\S+) \S+ \S+ \S+ (\d+)\s*(.*)$/.exec(line) ?? [];
    const file = `${inode} ${link}`; // all kernel objects have one inode
    if (!suspicious.test(link) || mapped.has(file)) continue;
    const stats = tryTo(() => statSync(`/proc/${pid}/map_files/${range}`));
    mapped.set(file, { fd: -1, link, stats, mountId: undefined, watches: [] });
  }
  return [...mapped.values()];
}

function readMounts(pid: number): Mount[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [id, , device = '', , mountPoint = ''] = line.split(' ');
    return { id: Number(id), device, mountPoint };
  });
}

function readNames(directory: string): string[] {
  return tryTo(() => readdirSync(directory)) ?? [];
}

/** What a process lets go of between two looks is no failure. */
function tryTo<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
