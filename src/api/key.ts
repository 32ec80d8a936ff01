import { createHash } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { Role } from '#src/platform/http/access.ts';

export const KeyId = z.string().regex(/^key-[0-9a-f]{16}$/, 'key- and 16 hex digits');

/** An API key as it is kept: the secret itself is nowhere. */
export const ApiKey = z.object({
  id: KeyId,
  name: z.string(),
  role: Role,
  /** Of the secret; hex. Secrets have 128 bits and more, so that a plain hash can not be guessed back. */
  sha256: z.string(),
  /** Ms since the epoch. */
  createdAt: z.number(),
});
export type ApiKey = z.infer<typeof ApiKey>;

/** No route lets a tenant key in so far, nor does a key say whose it is. */
const GrantedRole = Role.exclude(['tenant'], {
  error: ({ input }) => (input === 'tenant' ? 'not supported yet' : undefined),
});

export const KeyRequest = z
  .strictObject({ name: z.string().min(1).max(128), role: GrantedRole })
  .openapi('KeyRequest', { example: { name: 'checkout service', role: 'backend' } });

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The same secret always has the same id: a key that is registered again keeps its idempotency keys. */
export function keyIdOf(sha256: string): string {
  return `key-${sha256.slice(0, 16)}`;
}
