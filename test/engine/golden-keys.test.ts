import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openGoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import { openSigningKey } from '#src/engine/golden-keys/signing-key.ts';
import { openTrustedKeys } from '#src/engine/golden-keys/trusted-keys.ts';
import { openWrappingKey } from '#src/engine/golden-keys/wrapping-key.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const privatePem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' });
const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' });
const unfit = (message: string) => expect.objectContaining({ code: 'node_unfit', message: expect.stringContaining(message) });

function writeKey(directory: string, name: string, content: string | Buffer, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('a signing key', () => {
  const pair = generateKeyPairSync('ed25519');

  it('is ed25519 in PEM; its id is that of its public half', async () => {
    await using dir = await makeTempDir();
    const key = openSigningKey(writeKey(dir.path, 'key.pem', privatePem(pair.privateKey)));
    const trusted = openTrustedKeys([writeKey(dir.path, 'public.pem', publicPem(pair.publicKey), 0o644)]);
    expect(key.keyId).toMatch(/^[0-9a-f]{16}$/);
    expect([...trusted.keys()]).toEqual([key.keyId]);
  });

  it.each([
    ['of another kind', privatePem(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey), 'holds a key of type rsa'],
    ['that is public', publicPem(pair.publicKey), 'holds a public key, which can not sign'],
    [
      'behind a passphrase',
      pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
      'is protected by a passphrase',
    ],
    ['that is none', 'no key', 'holds no private key in PEM'],
  ])('%s is refused in words', async (_, content, said) => {
    await using dir = await makeTempDir();
    const path = writeKey(dir.path, 'key.pem', content);
    expect(thrownBy(() => openSigningKey(path))).toEqual(unfit(`THAW_SIGNING_KEY: ${path} ${said}`));
  });

  it('that others may read, own or that is not there is refused', async () => {
    await using dir = await makeTempDir();
    const path = writeKey(dir.path, 'key.pem', privatePem(pair.privateKey), 0o640);
    expect(thrownBy(() => openSigningKey(path))).toEqual(unfit('can be read by others (mode 0640)'));
    chmodSync(path, 0o600);
    chownSync(path, 1000, 0);
    expect(thrownBy(() => openSigningKey(path))).toEqual(unfit('belongs to uid 1000'));
    expect(thrownBy(() => openSigningKey(dir.path))).toEqual(unfit('is not a file'));
    expect(thrownBy(() => openSigningKey(join(dir.path, 'missing')))).toEqual(unfit('can not be read (ENOENT'));
    const pipe = join(dir.path, 'pipe');
    await run(['mkfifo', pipe], { timeoutMs: 5000 });
    expect(thrownBy(() => openSigningKey(pipe))).toEqual(unfit('is not a file'));
  });
});

describe('trusted keys', () => {
  it('are those of a directory, the named ones and our own', async () => {
    await using dir = await makeTempDir();
    const [own, named, kept] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    const directory = join(dir.path, 'trusted');
    mkdirSync(directory);
    writeKey(directory, 'one.pem', publicPem(kept.publicKey));
    writeKey(directory, 'README', 'not a key');
    const keys = openGoldenKeys({
      signingKeyFile: writeKey(dir.path, 'own.pem', privatePem(own.privateKey)),
      trustedKeyPaths: [directory, writeKey(dir.path, 'named.pem', publicPem(named.publicKey))],
      encryption: undefined,
    });
    expect(keys.trusted?.size).toBe(3);
    expect(keys.trusted?.has(keys.signing?.keyId ?? '')).toBe(true);
  });

  it('that can not be used are refused by name', async () => {
    await using dir = await makeTempDir();
    const rsa = writeKey(dir.path, 'rsa.pem', publicPem(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey));
    const none = writeKey(dir.path, 'none.pem', 'nothing');
    const empty = join(dir.path, 'empty');
    mkdirSync(empty);
    expect(thrownBy(() => openTrustedKeys([rsa]))).toEqual(unfit(`THAW_TRUSTED_KEYS: ${rsa} holds a key of type rsa, not ed25519`));
    expect(thrownBy(() => openTrustedKeys([none]))).toEqual(unfit(`${none} holds no public key in PEM`));
    expect(thrownBy(() => openTrustedKeys([empty]))).toEqual(unfit(`${empty} holds no *.pem`));
    expect(thrownBy(() => openTrustedKeys(['/nowhere']))).toEqual(unfit('/nowhere can not be read'));
  });
});

describe('a place of trusted keys', () => {
  it.each([
    ['a key', (key: string) => chmodSync(key, 0o666), 'can be changed by others (mode 0666)'],
    ['the directory of keys', (_: string, directory: string) => chmodSync(directory, 0o777), 'can be changed by others (mode 0777)'],
    ['a key of another user', (key: string) => chownSync(key, 1000, 0), 'belongs to uid 1000'],
  ])('where others can write, %s, is refused', async (_, open, said) => {
    await using dir = await makeTempDir();
    const directory = join(dir.path, 'trusted');
    mkdirSync(directory, { mode: 0o755 });
    const key = writeKey(directory, 'one.pem', publicPem(generateKeyPairSync('ed25519').publicKey), 0o644);
    expect(openTrustedKeys([directory]).size).toBe(1);
    open(key, directory);
    expect(thrownBy(() => openTrustedKeys([directory]))).toEqual(unfit(said));
  });
});

describe('a wrapping key', () => {
  const bytes = randomBytes(32);
  const dataKey = randomBytes(32);

  it.each([
    ['raw', bytes],
    ['as hex', bytes.toString('hex')],
    ['as base64 and a line break', `${bytes.toString('base64')}\n`],
    ['as base64 for URLs', bytes.toString('base64url')],
  ])('stands %s in a file, and means the same', async (_, content) => {
    await using dir = await makeTempDir();
    const fromFile = openWrappingKey({ kind: 'file', path: writeKey(dir.path, 'key', content) });
    const fromEnvironment = openWrappingKey({ kind: 'environment', text: bytes.toString('hex') });
    expect(fromFile.keyId).toBe(fromEnvironment.keyId);
    expect(await fromEnvironment.unwrap(await fromFile.wrap(dataKey, 'api@1'), 'api@1')).toEqual(dataKey);
  });

  it('opens only what it wrapped, for the golden that it wrapped it for', async () => {
    const key = openWrappingKey({ kind: 'environment', text: bytes.toString('hex') });
    const other = openWrappingKey({ kind: 'environment', text: randomBytes(32).toString('base64') });
    const wrapped = await key.wrap(dataKey, 'api@1');
    const wrong = { code: 'encryption_key_wrong' };
    await expect(other.unwrap(wrapped, 'api@1')).rejects.toMatchObject(wrong);
    await expect(key.unwrap(wrapped, 'api@2')).rejects.toMatchObject(wrong);
    await expect(key.unwrap(wrapped.subarray(0, 5), 'api@1')).rejects.toMatchObject(wrong);
    expect(other.keyId).not.toBe(key.keyId);
  });

  it('of another length, or that others may read, is refused, and not shown', async () => {
    await using dir = await makeTempDir();
    const short = writeKey(dir.path, 'short', 'c0ffee');
    const open = writeKey(dir.path, 'open', bytes, 0o644);
    const error = thrownBy(() => openWrappingKey({ kind: 'file', path: short }));
    expect(error).toEqual(unfit(`THAW_ENCRYPTION_KEY_FILE: ${short} holds 6 bytes, not a key of 32`));
    expect(String(error)).not.toContain('c0ffee');
    expect(thrownBy(() => openWrappingKey({ kind: 'file', path: open }))).toEqual(unfit('can be read by others (mode 0644)'));
  });

  it('may be one that only a command has', async () => {
    await using dir = await makeTempDir();
    // As a KMS helper does: what comes out of `wrap` is bytes, and only it can read them.
    const script = `case $1 in wrap) cat; printf WRAPPED;; unwrap) head -c 32;; esac`;
    const path = writeKey(dir.path, 'kms', `#!/bin/sh\n${script}\n`, 0o700);
    const key = openWrappingKey({ kind: 'command', argv: [path] });
    const wrapped = await key.wrap(dataKey, 'api@1');
    expect(wrapped).toEqual(Buffer.concat([dataKey, Buffer.from('WRAPPED')]));
    expect(await key.unwrap(wrapped, 'api@1')).toEqual(dataKey);
  });

  it('whose command fails is told with what it said, never with what it answered', async () => {
    const failing = (argv: [string, ...string[]]) => openWrappingKey({ kind: 'command', argv }).unwrap(dataKey, 'api@1');
    const missing = (message: string) => ({ code: 'encryption_key_missing', message: expect.stringContaining(message) });
    await expect(failing(['sh', '-c', 'echo not today >&2; exit 3'])).rejects.toMatchObject(missing('failed with exit code 3: not today'));
    await expect(failing(['/nowhere/kms'])).rejects.toMatchObject(missing('`/nowhere/kms unwrap` for api@1 could not be run'));
    await expect(failing(['true'])).rejects.toMatchObject(missing('answered 0 bytes'));
    const error: unknown = await failing(['sh', '-c', 'printf "%s%s" the key; exit 1']).catch((caught: unknown) => caught);
    expect(inspect(error)).toContain('failed with exit code 1');
    expect(inspect(error)).not.toContain('thekey');
  });
});
