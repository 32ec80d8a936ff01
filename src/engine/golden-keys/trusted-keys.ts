import { createPublicKey, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isThawError, messageOf } from '#src/platform/errors.ts';
import { requireUnchangeable, unusable } from '#src/platform/private-file.ts';
import { keyIdOf } from './signing-key.ts';

const setting = 'THAW_TRUSTED_KEYS';

/** By key id: goldens signed with one of them may be used here. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

/** `paths` are PEM files, or directories whose *.pem are read. Throws node_unfit for what can not be read, is no ed25519 key or can be changed by others. */
export function openTrustedKeys(paths: readonly string[]): TrustedKeys {
  return new Map(
    paths
      .flatMap(listFiles)
      .map(readKey)
      .map((key) => [keyIdOf(key), key]),
  );
}

function listFiles(path: string): string[] {
  try {
    const stats = statSync(path);
    if (!stats.isDirectory()) return [path];
    requireUnchangeable(setting, path, stats);
    const names = readdirSync(path).filter((name) => name.endsWith('.pem'));
    if (names.length > 0) return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw isThawError(error) ? error : unusable(setting, path, `can not be read (${messageOf(error)})`, 'Correct the setting.');
  }
  throw unusable(setting, path, 'holds no *.pem', 'Put the public keys there: openssl pkey -in SIGNING_KEY -pubout -out NAME.pem');
}

function readKey(path: string): KeyObject {
  const fix = 'Name public keys: openssl pkey -in SIGNING_KEY -pubout -out NAME.pem';
  const key = parseKey(path, fix);
  if (key.asymmetricKeyType !== 'ed25519') throw unusable(setting, path, `holds a key of type ${key.asymmetricKeyType}, not ed25519`, fix);
  return key;
}

function parseKey(path: string, fix: string): KeyObject {
  try {
    requireUnchangeable(setting, path, statSync(path));
    return createPublicKey(readFileSync(path));
  } catch (error) {
    if (isThawError(error)) throw error;
    throw unusable(setting, path, `holds no public key in PEM (${messageOf(error)})`, fix);
  }
}
