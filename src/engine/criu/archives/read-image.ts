import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { archiveNames } from './archive.ts';
import { archiveInvalid, archiveTooLarge } from './archive-problems.ts';
import { type CriuImage, eachEntry, readCriuImage } from './criu-image.ts';
import type { Field } from './protobuf.ts';

/** Of a process, a mount table, or some 50,000 open files. What is read of it takes a hundred times the memory. */
const imageBytesMax = 4 * 1024 * 1024;
/** More than the longest entry that has a payload behind it. */
const headBytes = 64 * 1024;

/** An image file of an archive. Throws archive_invalid and archive_too_large naming it. */
export function readImage(directory: string, name: string): CriuImage {
  return within(name, () => readCriuImage(readWhole(directory, name)));
}

/** The same one by one, for those of which there are many. */
export function forEachEntry(directory: string, name: string, look: (entry: Field[]) => void): void {
  within(name, () => {
    for (const entry of eachEntry(readWhole(directory, name))) look(entry);
  });
}

/** Of one with a payload behind it, however long that is. */
export function readFirstEntry(directory: string, name: string): Field[] {
  return within(name, () => {
    const head = Buffer.alloc(headBytes);
    const fd = openSync(join(directory, name), 'r');
    try {
      const [first] = eachEntry(head.subarray(0, readSync(fd, head, 0, headBytes, 0)));
      return first ?? [];
    } finally {
      closeSync(fd);
    }
  });
}

/** A RangeError of the readers says what is wrong, not where. */
export function within<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw archiveInvalid(join(archiveNames.checkpoint, name), `is no image of CRIU's: ${error.message}`, error);
  }
}

function readWhole(directory: string, name: string): Buffer {
  const file = join(directory, name);
  const entry = join(archiveNames.checkpoint, name);
  if (!existsSync(file)) throw archiveInvalid(entry, 'is missing');
  if (statSync(file).size > imageBytesMax) throw archiveTooLarge(entry, `${imageBytesMax} bytes for an image of its kind`);
  return readFileSync(file);
}
