import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { openSigningKey, type SigningKey } from '#src/engine/golden-keys/signing-key.ts';
import { openTrustedKeys, type TrustedKeys } from '#src/engine/golden-keys/trusted-keys.ts';
import { openWrappingKey } from '#src/engine/golden-keys/wrapping-key.ts';
import { messageOf } from '#src/platform/errors.ts';
import type { GoldenKeySettings, WrappingKeySource } from '#src/platform/golden-key-settings.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';

/**
 * The keys that goldens are signed, trusted and encrypted with, as far as they are set. An encryption key is tried. `mayReachDisk`: a tmpfs may be
 * swapped to one.
 */
export async function checkGoldenKeys(
  settings: GoldenKeySettings,
  mayReachDisk = isTmpfsSwapped(readFileSync('/proc/swaps', 'utf8'), release()),
): Promise<Finding[]> {
  return [checkSignatures(settings), await checkEncryption(settings.encryption, mayReachDisk)];
}

/** Where there is swap beside that in memory, and before Linux 6.4, which knows `noswap`. */
export function isTmpfsSwapped(swaps: string, kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const places = swaps.trim().split('\n').slice(1);
  return places.some((place) => !place.startsWith('/dev/zram')) && (major < 6 || (major === 6 && minor < 4));
}

function checkSignatures({ signingKeyFile, trustedKeyPaths }: GoldenKeySettings): Finding {
  const condition: Condition = {
    id: 'golden_signatures',
    title: 'Golden signatures',
    cost: 'goldens can not be signed, or those of others not be told from ours',
    fix: 'Make a key: openssl genpkey -algorithm ed25519 -out KEY.pem; its public half: openssl pkey -in KEY.pem -pubout -out KEY.pub.pem',
  };
  try {
    const signing = signingKeyFile === undefined ? undefined : openSigningKey(signingKeyFile);
    return judgeSignatures(condition, signing, trustedKeyPaths && openTrustedKeys(trustedKeyPaths));
  } catch (error) {
    return fail(condition, messageOf(error));
  }
}

function judgeSignatures(condition: Condition, signing: SigningKey | undefined, trusted: TrustedKeys | undefined): Finding {
  if (!signing && !trusted) return pass(condition, 'off (THAW_SIGNING_KEY, THAW_TRUSTED_KEYS)');
  const signs = signing ? `signed with key ${signing.keyId}` : 'not signed (THAW_SIGNING_KEY)';
  if (!trusted) return pass(condition, `${signs}; unsigned ones are used, too (THAW_TRUSTED_KEYS)`);
  const ids = new Set([...trusted.keys(), ...(signing ? [signing.keyId] : [])]);
  const found = `${signs}; only those of ${[...ids].join(', ')} are used`;
  if (signing) return pass(condition, found);
  const cost = 'what is captured on this node has no signature, and is refused by it: every capture fails at its verify';
  return warn({ ...condition, cost, fix: 'Set THAW_SIGNING_KEY, unless this node only imports goldens.' }, found);
}

async function checkEncryption(source: WrappingKeySource | undefined, mayReachDisk: boolean): Promise<Finding> {
  const condition: Condition = {
    id: 'golden_encryption',
    title: 'Golden encryption',
    cost: 'goldens can not be captured, and encrypted ones not be restored',
    fix: 'Make a key: (umask 077; openssl rand -hex 32 > KEY), and set THAW_ENCRYPTION_KEY_FILE. Keep it: without it no golden is restored.',
  };
  if (!source) return pass(condition, 'off (THAW_ENCRYPTION_KEY_FILE, THAW_ENCRYPTION_KEY, THAW_ENCRYPTION_COMMAND)');
  try {
    const key = openWrappingKey(source);
    const trial = randomBytes(32);
    const answer = await key.unwrap(await key.wrap(trial, 'a trial'), 'a trial');
    const found = `${key.name}, id ${key.keyId}`;
    if (!answer.equals(trial)) return fail(condition, `${key.name} answers something else to unwrap than was wrapped`);
    if (!mayReachDisk) return pass(condition, found);
    const cost = 'the plain memory of encrypted goldens may be swapped to a disk';
    return warn(
      { ...condition, cost, fix: 'Turn swap off (swapoff -a), or use Linux 6.4 or newer.' },
      `${found}; this kernel swaps a tmpfs`,
    );
  } catch (error) {
    return fail(condition, messageOf(error));
  }
}
