import { createHash } from 'node:crypto';
import { z } from 'zod';
import { instanceKeys } from '#src/instances/keys.ts';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { decodeCursor, encodeCursor, type Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import type { PageQuery } from '#src/platform/sorted-page.ts';
import { Pool, PoolSpec } from './pool.ts';

export const poolKeys = {
  /** hash: name, spec (JSON), etag, createdAt, updatedAt, and what the claim script reads: see claimFields. */
  pool: (name: string) => `${keyPrefix}pool:${name}`,
  /** zset, names with score 0. */
  all: `${keyPrefix}pools`,
  /** set: deleted pools that still have instances. */
  deleting: `${keyPrefix}deleting-pools`,
  /** zset: claims in the waiting line. Written by the claim scripts. */
  waiting: (name: string) => `${keyPrefix}pool-waiting:${name}`,
  /** zset: those of them that take a cold start. */
  waitingCold: (name: string) => `${keyPrefix}pool-waiting-cold:${name}`,
  /** hash, minute since the epoch → claims asked for in it, refused ones included. Written by the claim script. */
  arrivals: (name: string) => `${keyPrefix}pool-arrivals:${name}`,
  /** list: how long the last restores took (ms), the newest first. */
  restores: (name: string) => `${keyPrefix}pool-restores:${name}`,
};

const saveScript = loadLuaScript(import.meta.url, './lua/save-pool.lua');
const deleteScript = loadLuaScript(import.meta.url, './lua/delete-pool.lua');

const SaveReply = z.union([
  z.tuple([z.enum(['created', 'updated']), z.coerce.number(), z.coerce.number()]),
  z.tuple([z.literal('changed'), z.string()]),
]);

/** Throws precondition_failed when `ifMatch` (an etag, or `*`) is not what is stored. */
export async function savePool(redis: Redis, name: string, spec: PoolSpec, ifMatch = ''): Promise<{ pool: Pool; created: boolean }> {
  const text = JSON.stringify(spec);
  const etag = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const fields = ['name', name, 'spec', text, 'etag', etag, ...claimFields(spec)];
  const keys = [poolKeys.pool(name), poolKeys.all, poolKeys.deleting];
  const reply = SaveReply.parse(await saveScript.run(redis, keys, [name, ifMatch, keyPrefix, ...fields]));
  if (reply[0] === 'changed') throw poolChanged(name, reply[1], ifMatch);
  const [outcome, createdAt, updatedAt] = reply;
  return { pool: { name, spec, etag, createdAt, updatedAt }, created: outcome === 'created' };
}

/** What the claim script needs of a pool, beside the spec, so that it parses no JSON. '' is no limit. */
function claimFields({ lease, perTenant }: PoolSpec): (string | number)[] {
  return [
    ...['leaseDefaultMs', lease.defaultMs, 'leaseMaxMs', lease.maxMs, 'leaseIdleMs', lease.idleMs ?? ''],
    ...['perTenantHeld', perTenant.held ?? '', 'perTenantPerMinute', perTenant.claimsPerMinute ?? ''],
    ...['perTenantWaiting', perTenant.waiting ?? ''],
  ];
}

const DeleteReply = z.union([
  z.tuple([z.enum(['deleted', 'absent'])]),
  z.tuple([z.literal('changed'), z.string()]),
  z.tuple([z.literal('held'), z.coerce.number()]),
]);

/** Its instances are destroyed by the planner. Throws pool_not_found, precondition_failed or pool_in_use. */
export async function deletePool(redis: Redis, name: string, ifMatch = ''): Promise<void> {
  const held = [instanceKeys.poolState(name, 'claimed'), instanceKeys.poolState(name, 'suspended')];
  const keys = [poolKeys.pool(name), poolKeys.all, poolKeys.deleting, ...held, poolKeys.arrivals(name), poolKeys.restores(name)];
  const reply = DeleteReply.parse(await deleteScript.run(redis, keys, [name, ifMatch, keyPrefix]));
  if (reply[0] === 'absent') throw poolNotFound(name);
  if (reply[0] === 'changed') throw poolChanged(name, reply[1], ifMatch);
  if (reply[0] === 'held') {
    throw new ThawError('pool_in_use', `pool ${name} has ${reply[1]} claimed instances; a pool with live claims is not deleted`, {
      fix: 'Release the claims, or wait until their leases end; set size.ready to 0 to stop refilling meanwhile.',
    });
  }
}

export async function getPool(redis: Redis, name: string): Promise<Pool | undefined> {
  return parsePool(await redis.hgetall(poolKeys.pool(name)));
}

/** Throws pool_not_found. */
export async function requirePool(redis: Redis, name: string): Promise<Pool> {
  const pool = await getPool(redis, name);
  if (pool === undefined) throw poolNotFound(name);
  return pool;
}

/** By name. */
export async function listPools(redis: Redis, query: PageQuery): Promise<Page<Pool>> {
  const after = query.cursor === undefined ? '-' : `(${decodeCursor(query.cursor)}`;
  const names = await redis.zrangebylex(poolKeys.all, after, '+', 'LIMIT', 0, query.limit + 1);
  const page = names.slice(0, query.limit);
  const found = await Promise.all(page.map((name) => getPool(redis, name)));
  const items = found.filter((pool) => pool !== undefined);
  const last = page.at(-1);
  return names.length > query.limit && last !== undefined ? { items, nextCursor: encodeCursor(last) } : { items };
}

/** Names of the pools that keep clones of the template. */
export async function poolsOfTemplate(redis: Redis, template: string): Promise<string[]> {
  const names = await listPoolNames(redis);
  const pools = await Promise.all(names.map((name) => getPool(redis, name)));
  return pools.flatMap((pool) => (pool?.spec.template === template ? [pool.name] : []));
}

export function listPoolNames(redis: Redis): Promise<string[]> {
  return redis.zrange(poolKeys.all, 0, '-1');
}

/** Every pool there is work for: deleted ones with instances left included. */
export async function allPoolNames(redis: Redis): Promise<string[]> {
  const [names, deleting] = await Promise.all([listPoolNames(redis), redis.smembers(poolKeys.deleting)]);
  return [...new Set([...names, ...deleting])];
}

export function poolNotFound(name: string): ThawError {
  return new ThawError('pool_not_found', `there is no pool ${name}`, { fix: 'GET /v1/pools lists those there are.' });
}

function poolChanged(name: string, etag: string, ifMatch: string): ThawError {
  const now = etag === '' ? 'does not exist' : `has the ETag "${etag}"`;
  return new ThawError('precondition_failed', `pool ${name} ${now}, If-Match asks for ${ifMatch}`, {
    fix: 'Read it again, apply the change to what it says now and send that with its ETag.',
  });
}

const PoolHash = z.object({
  ...Pool.shape,
  spec: jsonField(PoolSpec),
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
});

function parsePool(hash: Readonly<Record<string, string>>): Pool | undefined {
  return 'name' in hash ? PoolHash.parse(hash) : undefined;
}
