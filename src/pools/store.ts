import { z } from 'zod';
import { instanceKeys } from '#src/instances/keys.ts';
import { ThawError } from '#src/platform/errors.ts';
import { etagOf, preconditionFailed } from '#src/platform/etag.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type PageQuery, readByName } from '#src/platform/sorted-page.ts';
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
  /** hash: the last change from one golden to another. `failed` is counted by the goldens' record-failure. */
  rollout: (name: string) => `${keyPrefix}rollout:${name}`,
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
  const etag = etagOf(text);
  const fields = ['name', name, 'spec', text, 'etag', etag, ...claimFields(spec)];
  const keys = [poolKeys.pool(name), poolKeys.all, poolKeys.deleting];
  const reply = SaveReply.parse(await saveScript.run(redis, keys, [name, ifMatch, keyPrefix, ...fields]));
  if (reply[0] === 'changed') throw preconditionFailed(`pool ${name}`, reply[1], ifMatch);
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
  const keys = [
    poolKeys.pool(name),
    poolKeys.all,
    poolKeys.deleting,
    ...held,
    poolKeys.arrivals(name),
    poolKeys.restores(name),
    poolKeys.rollout(name),
  ];
  const reply = DeleteReply.parse(await deleteScript.run(redis, keys, [name, ifMatch, keyPrefix]));
  if (reply[0] === 'absent') throw poolNotFound(name);
  if (reply[0] === 'changed') throw preconditionFailed(`pool ${name}`, reply[1], ifMatch);
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
  const { members, ...next } = await readByName(redis, poolKeys.all, query);
  const pools = await Promise.all(members.map((name) => getPool(redis, name)));
  return { items: pools.filter((pool) => pool !== undefined), ...next };
}

/** Names of the pools that keep clones of the template. */
export async function poolsOfTemplate(redis: Redis, template: string): Promise<string[]> {
  const names = await listPoolNames(redis);
  const pools = await Promise.all(names.map((name) => getPool(redis, name)));
  return pools.flatMap((pool) => (pool?.spec.template === template ? [pool.name] : []));
}

/** Numbers of the template's goldens that pools name, each with the name of such a pool. */
export async function goldensNamed(redis: Redis, template: string): Promise<Map<number, string>> {
  const pools = await Promise.all((await listPoolNames(redis)).map((name) => getPool(redis, name)));
  const named = new Map<number, string>();
  for (const pool of pools) {
    if (pool?.spec.template === template && typeof pool.spec.golden === 'number') named.set(pool.spec.golden, pool.name);
  }
  return named;
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

const PoolHash = z.object({
  ...Pool.shape,
  spec: jsonField(PoolSpec),
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
});

function parsePool(hash: Readonly<Record<string, string>>): Pool | undefined {
  return 'name' in hash ? PoolHash.parse(hash) : undefined;
}
