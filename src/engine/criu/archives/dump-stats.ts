import type { GoldenRecord } from '#src/engine/criu/golden-record.ts';
import { writeCriuImage } from './criu-image.ts';
import { bytesField, varintField, writeFields } from './protobuf.ts';

/** IMG_SERVICE and STATS in CRIU's magic.h. */
const magic = Buffer.from('4059105506330957', 'hex');
const pageBytes = 4096;

/** CRIU's statistics of the dump, as far as the golden's record tells: `checkpointctl inspect --all` fails where they are missing. */
export function dumpStats({ pagesBytes, timingsMs }: GoldenRecord): Buffer {
  const pages = Math.round(pagesBytes / pageBytes);
  const { dump: dumpMs = 0 } = timingsMs;
  // Freezing, frozen, memory dumped, memory written, in µs; pages scanned, skipped, written, lazy.
  const values = { 1: 0, 2: Math.round(dumpMs * 1000), 3: 0, 4: 0, 5: pages, 6: 0, 7: pages, 9: 0 };
  const dump = Object.entries(values).map(([number, value]) => varintField(Number(number), value));
  return writeCriuImage({ magic, entries: [[bytesField(1, writeFields(dump))]] });
}
