import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { chunkBytes, type FileIdentity, prefixBytes, tagBytes } from '#src/engine/criu/encryption/chunk-cipher.ts';
import { chunksOfFile, chunksOfStream } from '#src/engine/criu/encryption/chunks.ts';
import { decryptFile } from '#src/engine/criu/encryption/decrypt-file.ts';
import { decryptGolden } from '#src/engine/criu/encryption/decrypt-golden.ts';
import { encryptFile } from '#src/engine/criu/encryption/encrypt-file.ts';
import { packTree, unpackTree } from '#src/engine/criu/encryption/pack-tree.ts';
import { PlainCopies } from '#src/engine/criu/encryption/plain-copies.ts';
import { fileList } from '#src/engine/criu/encryption/sealed-path.ts';
import { GoldenDrafts } from '#src/engine/criu/golden-drafts.ts';
import { hashTree } from '#src/engine/criu/hash-tree.ts';
import { goldenLayout } from '#src/engine/criu/instance-layout.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { openGoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import { dataPaths } from '#src/platform/data-paths.ts';
import { goldenId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const identity: FileIdentity = { golden: 'api@7', path: 'image/pages-1.img.enc' };
const key = randomBytes(32);
const sealedChunk = chunkBytes + tagBytes;

async function* pieces(bytes: Buffer, size = 300_001): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of source) all.push(piece);
  return Buffer.concat(all);
}

async function encrypted(directory: string, plain: Buffer, as = identity): Promise<string> {
  const file = join(directory, `sealed-${randomBytes(4).toString('hex')}`);
  await encryptFile(key, as, chunksOfStream(pieces(plain)), file, AbortSignal.timeout(30_000));
  return file;
}

const decrypted = (file: string, as = identity, by = key) => collect(decryptFile(by, as, file));

describe('an encrypted file', () => {
  it.each([0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, 7 * chunkBytes + 12345])(
    'of %i bytes comes back as it was, and is larger by a prefix and a tag for each chunk',
    async (size) => {
      await using dir = await makeTempDir();
      const plain = randomBytes(size);
      const file = await encrypted(dir.path, plain);
      expect((await decrypted(file)).equals(plain)).toBe(true);
      const chunks = Math.max(1, Math.ceil(size / chunkBytes));
      expect(readFileSync(file).length).toBe(prefixBytes + size + chunks * tagBytes);
      await using source = await makeTempDir();
      writeFileSync(join(source.path, 'plain'), plain);
      const fromFile = join(source.path, 'sealed');
      await encryptFile(key, identity, chunksOfFile(join(source.path, 'plain')), fromFile, AbortSignal.timeout(30_000));
      expect((await decrypted(fromFile)).equals(plain)).toBe(true);
    },
  );

  it('holds nothing of what was encrypted, and the same bytes look different each time', async () => {
    await using dir = await makeTempDir();
    const plain = Buffer.from('canary '.repeat(200_000));
    const [one, other] = [readFileSync(await encrypted(dir.path, plain)), readFileSync(await encrypted(dir.path, plain))];
    expect(one.includes('canary')).toBe(false);
    expect(one.subarray(0, 1000).equals(other.subarray(0, 1000))).toBe(false);
  });

  it('is hashed as it lies on the disk while it is written', async () => {
    await using dir = await makeTempDir();
    const file = join(dir.path, 'file');
    const sha256 = await encryptFile(key, identity, chunksOfStream(pieces(randomBytes(2_500_000))), file, AbortSignal.timeout(30_000));
    const [entry] = await collectEntries(dir.path);
    expect(entry).toMatchObject({ content: sha256, mode: 0o100400 });
  });

  it.each([
    ['a flipped bit', (bytes: Buffer) => flip(bytes, 2 * sealedChunk), 'chunk 1 was altered'],
    ['a flipped bit of the prefix', (bytes: Buffer) => flip(bytes, 0), 'chunk 0 was altered'],
    ['its last chunk cut off', (bytes: Buffer) => bytes.subarray(0, prefixBytes + 2 * sealedChunk), 'chunk 1, the last, was altered'],
    ['a part of its last chunk cut off', (bytes: Buffer) => bytes.subarray(0, -5), 'chunk 2, the last, was altered'],
    ['all but its prefix cut off', (bytes: Buffer) => bytes.subarray(0, prefixBytes), 'was cut to 8 bytes'],
    ['nothing left', () => Buffer.alloc(0), 'was cut at byte 0'],
    ['two chunks exchanged', exchangeChunks, 'chunk 0 was altered, moved'],
    ['a chunk added', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(100)]), 'chunk 2, the last, was altered'],
  ])('with %s is refused', async (_, change, said) => {
    await using dir = await makeTempDir();
    const file = await encrypted(dir.path, randomBytes(2 * chunkBytes + 1000));
    const bytes = readFileSync(file);
    await using changed = await makeTempDir();
    writeFileSync(join(changed.path, 'file'), change(bytes));
    await expect(decrypted(join(changed.path, 'file'))).rejects.toMatchObject({
      name: 'TamperedFileError',
      what: expect.stringContaining(said),
    });
  });

  it('is refused under another name, in another golden and by another key', async () => {
    await using dir = await makeTempDir();
    const file = await encrypted(dir.path, randomBytes(1000));
    const tampered = { name: 'TamperedFileError' };
    await expect(decrypted(file, { ...identity, path: 'image/pages-2.img.enc' })).rejects.toMatchObject(tampered);
    await expect(decrypted(file, { ...identity, golden: 'api@8' })).rejects.toMatchObject(tampered);
    await expect(decrypted(file, identity, randomBytes(32))).rejects.toMatchObject(tampered);
    expect(await decrypted(file)).toHaveLength(1000);
  });

  it('may still be written: it is encrypted to the end that it has when it is whole', async () => {
    await using dir = await makeTempDir();
    const [plain, sealed] = [join(dir.path, 'plain'), join(dir.path, 'sealed')];
    const parts = [randomBytes(2 * chunkBytes + 5), randomBytes(chunkBytes - 5), randomBytes(chunkBytes)];
    writeFileSync(plain, '');
    let isWhole = false;
    const done = encryptFile(
      key,
      identity,
      chunksOfFile(plain, () => isWhole),
      sealed,
      AbortSignal.timeout(30_000),
    );
    for (const part of parts) {
      appendFileSync(plain, part);
      await vi.waitFor(() => expect(statSync(sealed).size).toBeGreaterThanOrEqual(statSync(plain).size - chunkBytes));
    }
    isWhole = true;
    await done;
    expect((await decrypted(sealed)).equals(Buffer.concat(parts))).toBe(true);
  });

  it('is not finished once it is cancelled', async () => {
    await using dir = await makeTempDir();
    const cancel = new AbortController();
    async function* source() {
      yield randomBytes(2 * chunkBytes);
      cancel.abort();
      yield randomBytes(2 * chunkBytes);
    }
    await expect(encryptFile(key, identity, chunksOfStream(source()), join(dir.path, 'file'), cancel.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('an encrypted golden', () => {
  const golden = goldenId('api', 7);
  const header = { version: 1, cipher: 'aes-256-gcm', chunkBytes, golden, imageDigest: '', keyId: '' } as const;

  it.each(['../outside.enc', '/tmp/outside.enc', 'image/../../outside.enc', '..'])('whose list names %s is refused', async (path) => {
    await using dir = await makeTempDir();
    const [sealed, plain] = [join(dir.path, 'sealed'), join(dir.path, 'plain')];
    for (const directory of [sealed, plain]) mkdirSync(directory);
    const seal = async (name: string, content: string) => {
      const chunks = chunksOfStream([Buffer.from(content)]);
      await encryptFile(key, { golden, path: name }, chunks, join(sealed, name), AbortSignal.timeout(5000));
    };
    await seal(fileList, JSON.stringify([path]));
    await expect(decryptGolden(key, header, sealed, plain)).rejects.toMatchObject({
      code: 'golden_corrupt',
      message: expect.stringContaining('files.json.enc is no list of files of a golden'),
    });
    expect(readdirSync(dir.path).sort()).toEqual(['plain', 'sealed']);
  });

  it('made elsewhere that could not be sealed leaves nothing to the next one of its name', async () => {
    await using dir = await makeTempDir();
    const paths = dataPaths(dir.path);
    const keys = openGoldenKeys({
      signingKeyFile: undefined,
      trustedKeyPaths: undefined,
      encryption: { kind: 'environment', text: key.toString('hex') },
    });
    const drafts = new GoldenDrafts({ paths, keys, plain: new PlainCopies({ paths, memory: createMemoryHolds(0) }) });
    const draftIn = (name: string) => {
      const [files, kept] = [goldenLayout(join(dir.path, `${name}-plain`)), goldenLayout(join(dir.path, name))];
      for (const directory of [files.image, kept.diff]) mkdirSync(directory, { recursive: true });
      writeFileSync(join(files.image, 'core-1.img'), name);
      return { ...files, directory: kept.directory, manifest: kept.manifest, diff: kept.diff };
    };
    await expect(drafts.seal(golden, draftIn('first'), 'sha256:00', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
    await drafts.seal(golden, draftIn('second'), 'sha256:00', AbortSignal.timeout(5000));
    expect(readdirSync(join(dir.path, 'second')).sort()).toEqual([
      'data.key',
      'diff.tar.enc',
      'encryption.json',
      'files.json.enc',
      'image',
      'manifest.json',
    ]);
  });
});

describe('a packed tree', () => {
  it('comes back with modes, owners, links, devices, holes and attributes', async () => {
    await using dir = await makeTempDir();
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')];
    mkdirSync(to);
    const script = `mkdir -p from/a/b from/opaque && cd from && echo text > a/file && chmod 4750 a/file && chown 1000:1001 a/file && ln a/file a/b/hard \
&& ln -s /etc/passwd a/link && mknod whiteout c 0 0 && mkfifo fifo && truncate -s 5M sparse && echo x >> sparse && touch 'odd
name' "$(printf 'bytes\\377')" && chmod 1777 a/b && chmod 711 .`;
    await run(['sh', '-c', script], { cwd: dir.path, timeoutMs: 10_000 });
    const setAttributes = `import os; os.setxattr(b'opaque', 'trusted.overlay.opaque', b'y'); os.setxattr(b'a/file', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))`;
    await run(['python3', '-c', setAttributes], { cwd: from, timeoutMs: 10_000 });
    await unpackTree(packTree(from), to);
    expect(await collectEntries(to)).toEqual(await collectEntries(from));
    const readAttributes = `import os; print(os.stat('.').st_mode, os.getxattr(b'opaque', 'trusted.overlay.opaque'), os.getxattr(b'a/file', 'security.capability'), os.stat('a/file').st_nlink, os.stat('whiteout').st_rdev, os.stat('sparse').st_blocks < 100)`;
    const [before, after] = await Promise.all([from, to].map((cwd) => run(['python3', '-c', readAttributes], { cwd, timeoutMs: 10_000 })));
    expect(after?.stdout).toBe(before?.stdout);
    expect(after?.stdout).toMatch(/b'y'.* 2 0 True/);
  });

  it('that can not be read, or unpacked, is told', async () => {
    await using dir = await makeTempDir();
    await expect(collect(packTree(join(dir.path, 'nowhere')))).rejects.toThrow(/packing .*nowhere failed: tar ended with exit code 2/);
    await expect(unpackTree(pieces(randomBytes(100_000)), dir.path)).rejects.toThrow(/unpacking into .* failed/);
  });
});

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function exchangeChunks(bytes: Buffer): Buffer {
  const chunk = (index: number) => bytes.subarray(prefixBytes + index * sealedChunk, prefixBytes + (index + 1) * sealedChunk);
  return Buffer.concat([bytes.subarray(0, prefixBytes), chunk(1), chunk(0), chunk(2)]);
}

async function collectEntries(directory: string) {
  const entries = [];
  for await (const entry of hashTree(directory)) entries.push(entry);
  return entries;
}
