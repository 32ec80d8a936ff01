/** One field of a protobuf message as it lies in the file: nothing that is not looked at is changed by reading and writing it. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** A varint's or fixed field's bytes; of strings and messages the content without its length. */
  readonly bytes: Buffer;
}

const wireVarint = 0;
const wireBytes = 2;
const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Throws RangeError for what is no message. Groups do not occur in CRIU's images. */
export function readFields(message: Buffer): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < message.length; ) {
    const key = readVarint(message, at);
    const [number, wire] = [Number(key.value >> 3n), Number(key.value & 7n)];
    if (number === 0) throw new RangeError(`no field has the number 0 (byte ${at})`);
    const field = readValue(message, key.end, wire);
    fields.push({ number, wire, bytes: message.subarray(field.start, field.end) });
    at = field.end;
  }
  return fields;
}

export function writeFields(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(({ number, wire, bytes }) => [
    writeVarint((BigInt(number) << 3n) | BigInt(wire)),
    ...(wire === wireBytes ? [writeVarint(BigInt(bytes.length))] : []),
    bytes,
  ]);
  return Buffer.concat(parts);
}

/** The last one counts, as in every protobuf reader. */
export function findField(fields: readonly Field[], number: number): Field | undefined {
  return fields.findLast((field) => field.number === number);
}

export function numberOf(fields: readonly Field[], number: number): number | undefined {
  const field = findField(fields, number);
  return field?.wire === wireVarint ? Number(readVarint(field.bytes, 0).value) : undefined;
}

export function textOf(fields: readonly Field[], number: number): string | undefined {
  const field = findField(fields, number);
  return field?.wire === wireBytes ? field.bytes.toString('utf8') : undefined;
}

/** A message within a message. One that is there more than once counts as a whole: readers put its fields together. */
export function messageOf(fields: readonly Field[], number: number): Field[] {
  return readFields(Buffer.concat(fields.flatMap((field) => (field.number === number && field.wire === wireBytes ? [field.bytes] : []))));
}

export function varintField(number: number, value: number): Field {
  return { number, wire: wireVarint, bytes: writeVarint(BigInt(value)) };
}

export function bytesField(number: number, value: string | Buffer): Field {
  return { number, wire: wireBytes, bytes: Buffer.from(value) };
}

/** With all fields of these numbers taken out and `added` at the end. */
export function replaceFields(fields: readonly Field[], numbers: readonly number[], added: readonly Field[]): Field[] {
  return [...fields.filter(({ number }) => !numbers.includes(number)), ...added];
}

function readValue(message: Buffer, at: number, wire: number): { start: number; end: number } {
  const size = fixedBytes[wire];
  const length = wire === wireBytes ? readVarint(message, at) : undefined;
  const start = length?.end ?? at;
  const end = length ? start + Number(length.value) : wire === wireVarint ? readVarint(message, at).end : start + (size ?? Number.NaN);
  if (!(end <= message.length)) throw new RangeError(`a field of type ${wire} ends behind the message (byte ${at})`);
  return { start, end };
}

function readVarint(message: Buffer, at: number): { value: bigint; end: number } {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = message[at + index];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  throw new RangeError(`a number without end (byte ${at})`);
}

function writeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}
