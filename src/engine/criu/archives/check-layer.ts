import type { Duplex, Readable } from 'node:stream';
import { archiveInvalid, archiveTooLarge, bytesLimit } from './archive-problems.ts';
import { readEntries } from './read-entries.ts';
import type { TarHeader } from './tar-header.ts';

/** What is left of the limits of the archive that the tar came in. */
export interface LayerBudget {
  bytes: number;
  entries: number;
  /** Of all names, which are kept in memory to find those that are there twice. */
  nameBytes: number;
}

/** As a golden's manifest may have. */
export const allNamesBytes = 256 * 1024 * 1024;
/** The longest path that Linux takes. */
const nameBytesMax = 4095;

type Kind = TarHeader['type'];

/** What a tar may hold; devices as `major:minor`. */
interface Allowed {
  readonly kinds: readonly Kind[];
  readonly devices: readonly string[];
}

const appKinds: readonly Kind[] = ['file', 'link', 'symlink', 'directory', 'fifo', 'character-device'];
const whiteout = '0:0';
/** All that an app can make; of devices only whiteouts. */
export const layerKinds: Allowed = { kinds: appKinds, devices: [whiteout] };
export const overlayKinds: Allowed = { kinds: ['directory', 'character-device'], devices: [whiteout] };
/** null, zero, full, random, urandom, tty, ptmx: what runtimes put into /dev. Not the console (5:1), which is the host's. */
export const tmpfsKinds: Allowed = { kinds: appKinds, devices: ['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:2'] };

/**
 * Reads a tar of a file system and compares what it would make with what may be made: nothing outside the directory, nothing through a link,
 * no device, nothing twice. GNU tar, which unpacks it afterwards, refuses the same by itself; this names the entry, and counts before
 * anything is written. Throws archive_invalid and archive_too_large.
 */
export async function checkLayer(
  tar: readonly [Readable, ...Duplex[]],
  name: string,
  allowed: Allowed,
  budget: LayerBudget,
  signal: AbortSignal,
): Promise<void> {
  const seen = new Map<string, Kind>();
  await readEntries(tar, `the archive's ${name}`, signal, async (header) => {
    const path = `${name}:${header.name}`;
    spend(budget, path, header);
    const why = whatIsWrong(header, allowed, seen);
    if (why !== undefined) throw archiveInvalid(path, why);
  });
}

/** Counts an entry and its content before it is looked at further. Throws archive_too_large. */
export function spend(budget: LayerBudget, path: string, { sizeBytes, name, linkName }: TarHeader): void {
  if (Math.max(name.length, linkName.length) > nameBytesMax) throw archiveTooLarge(path, `${nameBytesMax} bytes for a name`);
  budget.entries--;
  budget.bytes -= sizeBytes;
  budget.nameBytes -= name.length;
  if (budget.entries < 0) throw archiveTooLarge(path, 'the number of entries it may have');
  if (budget.bytes < 0) throw archiveTooLarge(path, bytesLimit);
  if (budget.nameBytes < 0) throw archiveTooLarge(path, 'the bytes that all its names may have');
}

function whatIsWrong(header: TarHeader, allowed: Allowed, seen: Map<string, Kind>): string | undefined {
  const path = relativePath(header.name);
  if (path === undefined) return 'lies outside of its directory';
  if (header.isSparse || !allowed.kinds.includes(header.type)) return `is of a kind that is not allowed there (${header.type})`;
  if (header.type !== 'file' && header.sizeBytes > 0) return 'has content, where another reader expects none';
  const device = `${header.device.major}:${header.device.minor}`;
  if (header.type === 'character-device' && !allowed.devices.includes(device)) return `is a device (${device})`;
  if (header.type === 'link' && relativePath(header.linkName) === undefined) return `links to ${header.linkName}, outside of its directory`;
  if (seen.has(path)) return 'is there twice';
  seen.set(path, header.type);
  const through = ancestors(path).find((ancestor) => (seen.get(ancestor) ?? 'directory') !== 'directory');
  return through === undefined ? undefined : `lies below ${through}, which is no directory`;
}

/** Without ./ and slashes around it; '' for the directory itself. Undefined for what is absolute, goes up or is no name at all. */
export function relativePath(name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '.' && part !== '');
  return name.startsWith('/') || name.includes('\0') || parts.includes('..') ? undefined : parts.join('/');
}

function ancestors(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}
