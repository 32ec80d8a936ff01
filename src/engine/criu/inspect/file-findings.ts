import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import { ghostLimitBytes } from '#src/engine/criu/engine-deps.ts';
import type { InspectedProcess, OpenFile } from './read-process.ts';

type Trouble = Pick<CheckpointFinding, 'kind' | 'detail' | 'fix'>;

/** Kernel objects that CRIU 4.2 knows how to dump (criu/files.c, dump_one_file); inotify stands without brackets. */
const knownObjects = /^anon_inode:(?:\[(?:eventfd|eventpoll|fanotify|signalfd|timerfd|pidfd)\]|inotify|bpf-map)/;
/** What looks like a file in memory, and is none on a disk. */
const memoryFiles = /^\/(?:memfd:|SYSV|\[aio\]|dev\/zero|dev\/shm\/|anon_hugepage)/;

/** Files, devices and kernel objects that a process holds and CRIU can not dump: each a reason why there will be no golden. */
export function findFileTroubles({ files, mapped, mounts, label }: InspectedProcess): CheckpointFinding[] {
  const mountIds = new Set(mounts.map(({ id }) => id));
  const troubles = [
    ...files.flatMap((file) => troubleOf(file, mountIds) ?? []),
    ...mapped.flatMap((file) => (memoryFiles.test(file.link) ? [] : (troubleOf(file, mountIds) ?? []))),
  ];
  const seen = new Set<string>();
  return troubles.flatMap((trouble) => {
    if (seen.has(trouble.detail)) return [];
    seen.add(trouble.detail);
    return [{ severity: 'stops', process: label, ...trouble }];
  });
}

function troubleOf(file: OpenFile, mountIds: ReadonlySet<number>): Trouble | undefined {
  if (file.link.startsWith('anon_inode:')) return knownObjects.test(file.link) ? undefined : objectTrouble(file.link);
  if (file.link === '[uprobes]') return objectTrouble(file.link);
  if (file.stats?.isCharacterDevice() || file.stats?.isBlockDevice()) return deviceTrouble(file);
  if (!file.link.startsWith('/') || file.stats === undefined) return undefined; // pipes, sockets, namespaces
  if (file.link.startsWith('/memfd:')) return undefined;
  if (file.mountId !== undefined && !mountIds.has(file.mountId)) {
    return {
      kind: 'file',
      detail: `${file.link} lies on no mount of the app`,
      fix: 'Close it: descriptors from outside, message queues and secret memory can not be taken along.',
    };
  }
  return file.link.endsWith(' (deleted)') ? deletedTrouble(file.link, file.stats) : undefined;
}

function objectTrouble(link: string): Trouble {
  const name = link.replace(/^anon_inode:/, '').replace(/^\[|\]$/g, '');
  if (name === 'io_uring')
    return { kind: 'io_uring', detail: 'an io_uring is open', fix: 'Let the app use epoll (Node: UV_USE_IO_URING=0).' };
  return {
    kind: 'kernel_object',
    detail: `a kernel object is open that can not be dumped: ${name}`,
    fix: 'Let the app do without it until after the restore.',
  };
}

const gpu = /^\/dev\/(?:nvidia|dri\/|kfd)/;
/** Major numbers of linux/major.h: memory devices (null, zero, random, …), terminals, ptys. */
const dumpableMajors = (major: number) => major === 1 || major === 4 || major === 5 || (major >= 128 && major <= 143);

function deviceTrouble({ link, stats }: OpenFile): Trouble | undefined {
  const major = Number((BigInt(stats?.rdev ?? 0) >> 8n) & 0xfffn);
  if (stats?.isCharacterDevice() && dumpableMajors(major)) return undefined;
  if (gpu.test(link)) return { kind: 'gpu', detail: `a GPU is in use: ${link}`, fix: 'Let the app open the GPU after the restore.' };
  return { kind: 'device', detail: `a device is open: ${link}`, fix: 'Close the device before the checkpoint.' };
}

function deletedTrouble(link: string, stats: NonNullable<OpenFile['stats']>): Trouble | undefined {
  const name = link.replace(/ \(deleted\)$/, '');
  if (stats.isDirectory()) return undefined;
  if (stats.nlink > 0) {
    return {
      kind: 'deleted_file',
      detail: `${name} is open under a name that is gone, and has another one`,
      fix: 'Remove its other names too, or close it.',
    };
  }
  const bytes = stats.blocks * 512;
  if (bytes <= ghostLimitBytes) return undefined;
  const size = `${Math.round(bytes / 1024 / 1024)} MB`;
  return {
    kind: 'deleted_file',
    detail: `${name} was deleted and is still open: ${size}, at most ${ghostLimitBytes / 1024 / 1024} MB can be taken along`,
    fix: 'Close it, or keep its name until after the checkpoint.',
  };
}
