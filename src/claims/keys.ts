import { createHash } from 'node:crypto';
import { keyPrefix } from '#src/platform/redis.ts';

export const claimKeys = {
  /** hash, one claim. */
  claim: (id: string) => `${keyPrefix}claim:${id}`,
  /** zset, id by createdAt. */
  all: `${keyPrefix}claims`,
  /** zset, id by createdAt: the claims of one tenant. */
  tenant: (tenant: string) => `${keyPrefix}tenant-claims:${tenant}`,
  /** zset: live claims by the time they end; a reserved one by the time its reservation is taken back. */
  leases: `${keyPrefix}leases`,
  /** zset, id by endedAt: what will be forgotten. */
  ended: `${keyPrefix}ended-claims`,
  /** string `<fingerprint> <claim id>`. Of one API key each, so that two back ends never meet on one idempotency key. */
  idempotency: (keyId: string, key: string) => `${keyPrefix}idempotency:${keyId}:${createHash('sha256').update(key).digest('hex')}`,
};
