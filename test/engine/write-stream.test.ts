import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile, writeStream } from '#src/engine/criu/move/write-stream.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const idle = new AbortController().signal;
const bytes = randomBytes(300_000);
const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;
let directory: Awaited<ReturnType<typeof makeTempDir>>;
beforeAll(async () => {
  directory = await makeTempDir();
});
afterAll(() => directory?.[Symbol.asyncDispose]());

const file = (name: string) => join(directory.path, name);
const writeBytes = async (sink: Writable) => void sink.end(bytes);

describe('a stream that is written into a file', () => {
  it('is root’s alone and hashed as it is', async () => {
    const digest = digestOf(bytes);
    expect(await writeStream(file('plain'), { isPacked: false }, writeBytes, idle)).toEqual({
      digest,
      plainDigest: digest,
      sizeBytes: bytes.length,
    });
    expect(statSync(file('plain')).mode & 0o777).toBe(0o600);
    expect(await hashFile(file('plain'), idle)).toEqual({ digest, sizeBytes: bytes.length });
  });

  it('is hashed before and after the packing', async () => {
    const written = await writeStream(file('packed'), { isPacked: true }, writeBytes, idle);
    const packed = readFileSync(file('packed'));
    expect(written).toEqual({ digest: digestOf(packed), plainDigest: digestOf(bytes), sizeBytes: packed.length });
    expect(zstdDecompressSync(packed)).toEqual(bytes);
  });

  it('fails by what its writer fails by', async () => {
    const write = async (sink: Writable) => {
      sink.write(bytes);
      throw new Error('no more');
    };
    await expect(writeStream(file('failed'), { isPacked: true }, write, idle)).rejects.toThrow('no more');
  });

  it('fails by what the disk fails by, and ends its writer', async () => {
    const endless = (sink: Writable, signal: AbortSignal) => pipeline(Readable.from(forEver()), sink, { signal });
    await expect(writeStream('/dev/full/x', { isPacked: false }, endless, idle)).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(writeStream(join(directory.path, 'absent', 'x'), { isPacked: false }, endless, idle)).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });

  it('ends in the middle when it is aborted', async () => {
    const stop = new AbortController();
    const endless = (sink: Writable, signal: AbortSignal) => pipeline(Readable.from(forEver()), sink, { signal });
    const writing = writeStream(file('endless'), { isPacked: true }, endless, stop.signal);
    await expect.poll(() => existsSync(file('endless')) && statSync(file('endless')).size > 0).toBe(true);
    stop.abort(new Error('enough'));
    await expect(writing).rejects.toThrow();
  });
});

function* forEver(): Generator<Buffer> {
  for (;;) yield bytes;
}
