import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { messageOf, type ThawError } from '#src/platform/errors.ts';
import { readPrivateFile, unusable } from '#src/platform/private-file.ts';

const setting = 'THAW_SIGNING_KEY';
const makeOne = (path: string) => `Make a key: openssl genpkey -algorithm ed25519 -out ${path} && chmod 600 ${path}`;

/** Signs the goldens that are captured here. */
export interface SigningKey {
  readonly keyId: string;
  readonly publicKey: KeyObject;
  sign(message: Buffer): Buffer;
}

/** Throws node_unfit when the file holds no ed25519 private key (PKCS#8 PEM, no passphrase) or others may read it. */
export function openSigningKey(path: string): SigningKey {
  const key = parsePrivateKey(path, readPrivateFile(setting, path));
  if (key.asymmetricKeyType !== 'ed25519') throw unusable(setting, path, `holds a key of type ${key.asymmetricKeyType}`, makeOne(path));
  const publicKey = createPublicKey(key);
  return { keyId: keyIdOf(publicKey), publicKey, sign: (message) => sign(null, message, key) };
}

/** The beginning of the sha256 of the public key as DER: what `openssl pkey -pubin -outform DER | sha256sum` begins with. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}

function parsePrivateKey(path: string, pem: Buffer): KeyObject {
  const text = pem.toString('latin1');
  if (text.includes('BEGIN PUBLIC KEY')) throw unusable(setting, path, 'holds a public key, which can not sign', makeOne(path));
  if (text.includes('BEGIN ENCRYPTED')) throw withPassphrase(path);
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(setting, path, `holds no private key in PEM (${messageOf(error)})`, makeOne(path));
  }
}

function withPassphrase(path: string): ThawError {
  return unusable(setting, path, 'is protected by a passphrase, which nobody could type', `Without one: openssl pkey -in ${path} -out NEW`);
}
