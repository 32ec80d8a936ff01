import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { goldenCorrupt } from '#src/engine/criu/golden-seal.ts';
import type { WrappingKey } from '#src/engine/golden-keys/wrapping-key.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { chunkBytes } from './chunk-cipher.ts';

/** What an encrypted golden shows without its key. Nothing in it can be changed: the key of the chunks is derived from its text. */
const EncryptionHeader = z.object({
  version: z.literal(1),
  cipher: z.literal('aes-256-gcm'),
  chunkBytes: z.literal(chunkBytes),
  golden: GoldenId,
  /** Of the image below it: images are kept as long as a golden needs them, with and without the key. */
  imageDigest: z.string(),
  /** Of the wrapping key. */
  keyId: z.string(),
});
export type EncryptionHeader = z.infer<typeof EncryptionHeader>;

const secretBytes = 32;
const headerFile = (directory: string) => join(directory, 'encryption.json');
const keyFile = (directory: string) => join(directory, 'data.key');

/** Writes the header and a new data key, wrapped, into the directory of a golden. */
export async function createDataKey(
  wrapping: WrappingKey,
  directory: string,
  { golden, imageDigest }: Pick<EncryptionHeader, 'golden' | 'imageDigest'>,
): Promise<Buffer> {
  const format = { version: 1, cipher: 'aes-256-gcm', chunkBytes } as const;
  const text = JSON.stringify({ ...format, golden, imageDigest, keyId: wrapping.keyId } satisfies EncryptionHeader);
  const secret = randomBytes(secretBytes);
  writeFileSync(keyFile(directory), await wrapping.wrap(secret, golden), { mode: 0o400, flag: 'wx' });
  writeFileSync(headerFile(directory), text, { mode: 0o400, flag: 'wx' });
  return deriveKey(secret, text);
}

/** Undefined: the golden is not encrypted. Throws golden_corrupt. */
export function readHeader(directory: string): EncryptionHeader | undefined {
  const file = headerFile(directory);
  if (!existsSync(file)) return undefined;
  try {
    return EncryptionHeader.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new ThawError('golden_corrupt', `${file} can not be read: it is no header of this version`, {
      fix: 'Take a new golden of the template.',
      cause: error,
    });
  }
}

/** Throws encryption_key_missing or encryption_key_wrong: with the right key the golden works again. */
export async function openDataKey(
  wrapping: WrappingKey | undefined,
  directory: string,
  { golden, keyId }: EncryptionHeader,
): Promise<Buffer> {
  if (!wrapping) {
    throw new ThawError('encryption_key_missing', `golden ${golden} is encrypted with key ${keyId}, and this node has no key`, {
      fix: 'Set THAW_ENCRYPTION_KEY_FILE, THAW_ENCRYPTION_KEY or THAW_ENCRYPTION_COMMAND as it was at the capture, and start the worker again.',
    });
  }
  if (wrapping.keyId !== keyId) throw wrongKey(wrapping, golden, keyId);
  const secret = await unwrap(wrapping, directory, golden);
  if (secret.length !== secretBytes) throw wrongKey(wrapping, golden, keyId);
  return deriveKey(secret, readFileSync(headerFile(directory), 'utf8'));
}

/** With the right key, that it does not open it means that one of both was changed. */
async function unwrap(wrapping: WrappingKey, directory: string, golden: GoldenId): Promise<Buffer> {
  const file = keyFile(directory);
  if (!existsSync(file)) throw goldenCorrupt(golden, file, 'is missing');
  try {
    return await wrapping.unwrap(readFileSync(file), golden);
  } catch (error) {
    throw isThawError(error, 'encryption_key_wrong') ? goldenCorrupt(golden, file, 'is not the key that was wrapped for it') : error;
  }
}

/**
 * Makes what is encrypted unreadable for ever, before anything else of a golden is removed: the wrapped key is overwritten on the disk. A file
 * system that writes elsewhere (btrfs, ZFS) and an SSD may keep the old bytes; they are wrapped. Idempotent.
 */
export function destroyDataKey(directory: string): void {
  const file = keyFile(directory);
  if (!existsSync(file)) return;
  const fd = openSync(file, 'r+');
  try {
    const { size } = statSync(file);
    writeSync(fd, randomBytes(size), 0, size, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  rmSync(file);
  const directoryFd = openSync(directory, 'r');
  fsyncSync(directoryFd);
  closeSync(directoryFd);
}

function deriveKey(secret: Buffer, header: string): Buffer {
  const salt = createHash('sha256').update(header).digest();
  const derived = Buffer.from(hkdfSync('sha256', secret, salt, 'thaw golden', secretBytes));
  secret.fill(0);
  return derived;
}

function wrongKey({ name, keyId: ours }: WrappingKey, golden: GoldenId, keyId: string): ThawError {
  return new ThawError('encryption_key_wrong', `golden ${golden} is encrypted with key ${keyId}; ${name} is ${ours}`, {
    fix: 'Set the key that the golden was captured with, and start the worker again.',
  });
}
