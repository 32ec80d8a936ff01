import { createHash } from 'node:crypto';
import { keyPrefix } from '#src/platform/redis.ts';

export const claimKeys = {
  /** hash, one claim. */
  claim: (id: string) => `${keyPrefix}claim:${id}`,
  /** zset, id by createdAt. */
  all: `${keyPrefix}claims`,
  /** zset, id by createdAt: the claims of one tenant. */
  tenant: (tenant: string) => `${keyPrefix}tenant-claims:${tenant}`,
  /** zset: claims by when they are due: a live one by the end of its lease, a reserved one by when it is taken back, a waiting one likewise. */
  leases: `${keyPrefix}leases`,
  /** set: pools that somebody waits for, or did. */
  waitingPools: `${keyPrefix}waiting-pools`,
  /** zset: live claims by when their end is announced. */
  warnings: `${keyPrefix}lease-warnings`,
  /** zset, id by endedAt: what will be forgotten. */
  ended: `${keyPrefix}ended-claims`,
  /** string `<fingerprint> <claim id>`. Of one API key each, so that two back ends never meet on one idempotency key. */
  idempotency: (keyId: string, key: string) => `${keyPrefix}idempotency:${keyId}:${createHash('sha256').update(key).digest('hex')}`,
  /** Lives as long as the API process of that id: claims wait in its memory. */
  api: (id: string) => `${keyPrefix}api:${id}`,
  /** Channel: what became of the claims that wait in that process. */
  served: (id: string) => `${keyPrefix}served:${id}`,
};
