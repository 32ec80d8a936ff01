import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCriuImage } from '#src/engine/criu/archives/criu-image.ts';
import { type Field, findField, numberOf, readFields, textOf } from '#src/engine/criu/archives/protobuf.ts';
import type { Extent } from '#src/engine/secrets/secret-search.ts';

/** The memory of one process, or one piece that processes share. */
export interface MemoryPart {
  /** Its pages-<n>.img. */
  readonly file: string;
  /** `java (pid 1)`: name and pid inside. */
  readonly where: string;
  /** Pages that lie together in memory. */
  readonly extents: readonly Extent[];
}

type Message = readonly Field[];

const pageBytes = 4096;
/** The pages are in the file, and neither in a parent's nor left out (criu/include/pagemap.h). */
const pagePresent = 4;
const mapAnonymous = 0x20;

/** What each file of pages in a directory of CRIU's images holds: pagemap-<pid>.img names the file and the addresses of its pages, in order. */
export function listMemoryParts(image: string): MemoryPart[] {
  const names = readdirSync(image);
  const processes = numbersIn(names, /^pagemap-(\d+)\.img$/).map((pid) => ({ pid, where: `${nameOf(image, pid)} (pid ${pid})` }));
  const own = processes.map(({ pid, where }) => readPart(image, `pagemap-${pid}.img`, where));
  const shared = numbersIn(names, /^pagemap-shmem-(\d+)\.img$/).map((id) => {
    const holders = processes.filter(({ pid }) => sharedMemoryOf(image, pid).includes(id)).map(({ where }) => where);
    return readPart(image, `pagemap-shmem-${id}.img`, holders.length > 0 ? holders.join(', ') : 'shared memory');
  });
  return [...own, ...shared];
}

function readPart(image: string, name: string, where: string): MemoryPart {
  const [head, ...entries] = readEntries(join(image, name));
  if (head === undefined) throw new Error(`${name} is empty`);
  return { file: join(image, `pages-${numberOf(head, 1) ?? 0}.img`), where, extents: extentsOf(entries) };
}

/** pagemap_entry: vaddr 1, nr_pages 5 (2 in images of older CRIUs), in_parent 3, flags 4. */
function extentsOf(entries: readonly Message[]): Extent[] {
  const extents: { start: number; end: number; addressEnd: number }[] = [];
  for (const entry of entries) {
    if (!isPresent(entry)) continue;
    const address = numberOf(entry, 1) ?? 0;
    const size = (numberOf(entry, 5) ?? numberOf(entry, 2) ?? 0) * pageBytes;
    const last = extents.at(-1);
    if (last?.addressEnd === address) {
      last.end += size;
      last.addressEnd += size;
    } else {
      const start = last?.end ?? 0;
      extents.push({ start, end: start + size, addressEnd: address + size });
    }
  }
  return extents;
}

function isPresent(entry: Message): boolean {
  const flags = numberOf(entry, 4);
  return flags === undefined ? (numberOf(entry, 3) ?? 0) === 0 : (flags & pagePresent) !== 0;
}

/** core_entry: tc 3 → task_core_entry: comm 6. A name is the app's own choice: only what prints is told. */
function nameOf(image: string, pid: number): string {
  const [core] = readEntries(join(image, `core-${pid}.img`));
  const task = core && findField(core, 3);
  const name = task && textOf(readFields(task.bytes), 6);
  return name?.replace(/[^\x20-\x7e]/g, '?') ?? 'a process';
}

/** The pieces of shared memory that a process maps. mm_entry: vmas 14 → vma_entry: shmid 4, flags 6. */
function sharedMemoryOf(image: string, pid: number): number[] {
  const [mm] = readEntries(join(image, `mm-${pid}.img`));
  return (mm ?? [])
    .filter(({ number }) => number === 14)
    .map(({ bytes }) => readFields(bytes))
    .flatMap((area) => (((numberOf(area, 6) ?? 0) & mapAnonymous) !== 0 ? [numberOf(area, 4) ?? 0] : []));
}

/** None where there is no such image: a zombie has no memory. */
function readEntries(file: string): readonly Message[] {
  return existsSync(file) ? readCriuImage(readFileSync(file)).entries : [];
}

function numbersIn(names: readonly string[], pattern: RegExp): number[] {
  return names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number);
}
