import { createHmac } from 'node:crypto';
import { openSecretFile } from '#src/platform/secret-file.ts';

/** Tells whether two requests are the same without keeping anything of them. */
export type Fingerprint = (pools: readonly string[], body: unknown) => string;

/**
 * A body may hold secrets, and a plain hash of a short secret can be guessed: the fingerprint is an HMAC, its key a file of
 * this installation that Redis never sees (law 8).
 */
export async function openFingerprint(keyPath: string): Promise<Fingerprint> {
  const key = await openSecretFile(keyPath);
  return (pools, body) =>
    createHmac('sha256', key)
      .update(canonicalJson([pools, body]))
      .digest('base64url');
}

/** Equal values give equal text, in whatever order their fields were sent. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
