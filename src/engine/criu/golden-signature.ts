import { verify } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { SigningKey } from '#src/engine/golden-keys/signing-key.ts';
import type { TrustedKeys } from '#src/engine/golden-keys/trusted-keys.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { GoldenId } from '#src/platform/ids.ts';

const Signature = z.object({
  version: z.literal(1),
  algorithm: z.literal('ed25519'),
  keyId: z.string(),
  /** base64 */
  signature: z.string(),
});
export type Signature = z.infer<typeof Signature>;

/** Beside the manifest, which can not name it: it is made after it. */
export const signatureFile = 'signature.json';

const takeNew = 'Take a new golden of the template on a node that has THAW_SIGNING_KEY';

/** Signs the digest of a golden's manifest, and with it every file. */
export function signGolden(key: SigningKey, directory: string, digest: string): void {
  const signature = key.sign(message(digest)).toString('base64');
  const content = { version: 1, algorithm: 'ed25519', keyId: key.keyId, signature } satisfies Signature;
  writeFileSync(join(directory, signatureFile), JSON.stringify(content), { mode: 0o400 });
}

export function notSigned(golden: GoldenId): ThawError {
  return untrusted(golden, 'it is not signed', `${takeNew}; or unset THAW_TRUSTED_KEYS.`);
}

/** What stands there, unproven. Undefined: the golden is not signed. Throws golden_untrusted when it can not be read as one. */
export function readSignature(directory: string, golden: GoldenId): Signature | undefined {
  const file = join(directory, signatureFile);
  if (!existsSync(file)) return undefined;
  try {
    return Signature.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw untrusted(golden, `its ${signatureFile} is no signature`, 'Take a new golden of the template.');
  }
}

/** Throws golden_untrusted unless the golden is signed, rightly, with one of the keys. */
export function requireTrusted(trusted: TrustedKeys, directory: string, digest: string, golden: GoldenId): void {
  const signature = readSignature(directory, golden);
  if (!signature) throw notSigned(golden);
  const key = trusted.get(signature.keyId);
  if (!key) {
    const known = [...trusted.keys()].join(', ');
    throw untrusted(
      golden,
      `it is signed by key ${signature.keyId}, which is not trusted (${known})`,
      `Put that public key into THAW_TRUSTED_KEYS and start the worker again, if it is yours. Else: ${takeNew}.`,
    );
  }
  if (verify(null, message(digest), key, Buffer.from(signature.signature, 'base64'))) return;
  throw untrusted(golden, `its signature by key ${signature.keyId} is not for these files`, `Somebody changed the golden. ${takeNew}.`);
}

function message(digest: string): Buffer {
  return Buffer.from(`thaw golden manifest\n${digest}\n`);
}

function untrusted(golden: GoldenId, why: string, fix: string): ThawError {
  return new ThawError('golden_untrusted', `golden ${golden} is not used: ${why}`, { fix, details: { golden } });
}
