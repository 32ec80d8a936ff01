import { createHash, randomBytes } from 'node:crypto';

/** The secret of an API key: 192 bits. */
export function newSecret(): string {
  return `thaw_${randomBytes(24).toString('base64url')}`;
}

/** Hex. Secrets have 128 bits and more, so that a plain hash can not be guessed back. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The same first secret always gives the same id: a key that is registered again keeps its idempotency keys. */
export function keyIdOf(sha256: string): string {
  return `key-${sha256.slice(0, 16)}`;
}
