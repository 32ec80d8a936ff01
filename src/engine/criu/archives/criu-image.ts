import { type Field, readFields, writeFields } from './protobuf.ts';

/** First word of image files that name their kind in a second one (CRIU's magic.h); the inventory has one word alone. */
const commonMagics = [0x54564319, 0x55105940];

/** One of CRIU's image files: entries of protobuf behind a magic of 4 or 8 bytes. */
export interface CriuImage {
  readonly magic: Buffer;
  readonly entries: readonly (readonly Field[])[];
}

/** For images whose entries have no payload behind them: inventory, mountpoints, files, core. Throws RangeError. */
export function readCriuImage(file: Buffer): CriuImage {
  return { magic: magicOf(file), entries: [...eachEntry(file)] };
}

/** One after the other, for images of which only the first has no payload behind it, or that have many. Throws RangeError. */
export function* eachEntry(file: Buffer): Generator<Field[]> {
  for (let at = magicOf(file).length; at < file.length; ) {
    const start = at + 4;
    const end = start + (start <= file.length ? file.readUInt32LE(at) : Number.NaN);
    if (!(end <= file.length)) throw new RangeError(`an entry ends behind the file (byte ${at})`);
    yield readFields(file.subarray(start, end));
    at = end;
  }
}

function magicOf(file: Buffer): Buffer {
  if (file.length < 8) throw new RangeError(`${file.length} bytes are no image`);
  return file.subarray(0, commonMagics.includes(file.readUInt32LE(0)) ? 8 : 4);
}

export function writeCriuImage({ magic, entries }: CriuImage): Buffer {
  const parts = entries.flatMap((fields) => {
    const message = writeFields(fields);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(message.length);
    return [size, message];
  });
  return Buffer.concat([magic, ...parts]);
}
