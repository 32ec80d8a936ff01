import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { etagOf } from '#src/platform/etag.ts';
import type { Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type PageQuery, readNewest } from '#src/platform/sorted-page.ts';
import type { TenantLimits } from '#src/pools/tenant-limits.ts';
import type { TenantUsage, TenantView } from './tenant.ts';

/** Redis keys of tenants; the claim scripts reach them by the prefix and write all but `limits`. */
const tenantKeys = {
  /** zset, name by the time of its last claim; 0 for one that has limits and made none. */
  all: `${keyPrefix}tenants`,
  /** hash: held, claimsPerMinute, waiting, each absent for no limit; etag. */
  limits: (tenant: string) => `${keyPrefix}tenant:${tenant}`,
  /** zset: claims that hold an instance. */
  held: (tenant: string) => `${keyPrefix}tenant-held:${tenant}`,
  /** zset: claims in a waiting line. */
  waiting: (tenant: string) => `${keyPrefix}tenant-waiting:${tenant}`,
  /** hash: claims, instanceMs of ended claims, since. */
  usage: (tenant: string) => `${keyPrefix}tenant-usage:${tenant}`,
};

const saveScript = loadLuaScript(import.meta.url, './lua/save-limits.lua');
const usageScript = loadLuaScript(import.meta.url, './lua/read-usage.lua');

const SaveReply = z.union([z.tuple([z.literal('saved')]), z.tuple([z.literal('changed'), z.string()])]);

/** Replaces all limits of a tenant. Throws precondition_failed when `ifMatch` (an etag, or `*`) is not that of the limits it has. */
export async function saveLimits(redis: Redis, tenant: string, limits: TenantLimits, ifMatch = ''): Promise<void> {
  const keys = [tenantKeys.limits(tenant), tenantKeys.all];
  const fields = Object.entries(limits).flat();
  const reply = SaveReply.parse(
    await saveScript.run(redis, keys, [tenant, ifMatch, limitsEtag({}), 'etag', limitsEtag(limits), ...fields]),
  );
  if (reply[0] === 'saved') return;
  throw new ThawError('precondition_failed', `the limits of tenant ${tenant} have the ETag "${reply[1]}", If-Match asks for ${ifMatch}`, {
    fix: 'Read them again, apply the change to what they say now and send that with its ETag.',
  });
}

export async function readTenant(redis: Redis, tenant: string): Promise<TenantView> {
  const [hash, held, waiting, lastAt] = await Promise.all([
    redis.hgetall(tenantKeys.limits(tenant)),
    redis.zcard(tenantKeys.held(tenant)),
    redis.zcard(tenantKeys.waiting(tenant)),
    redis.zscore(tenantKeys.all, tenant),
  ]);
  const limits = LimitsHash.parse(hash);
  const lastClaimAt = Number(lastAt ?? 0);
  return {
    ...{ tenant, limits, held, waiting },
    ...(lastClaimAt === 0 ? {} : { lastClaimAt: new Date(lastClaimAt).toISOString() }),
    etag: limitsEtag(limits),
  };
}

/** Those that claimed or have limits; who claimed last comes first. */
export async function listTenants(redis: Redis, query: PageQuery): Promise<Page<TenantView>> {
  const { members, ...next } = await readNewest(redis, tenantKeys.all, query);
  return { items: await Promise.all(members.map((tenant) => readTenant(redis, tenant))), ...next };
}

const Count = z.coerce.number();
const UsageReply = z.tuple([Count, Count, Count, z.union([z.literal('').transform(() => undefined), Count])]);

/** Ended and live claims at one instant, so that none that ends meanwhile counts twice or not at all. */
export async function readUsage(redis: Redis, tenant: string): Promise<TenantUsage> {
  const reply = await usageScript.run(redis, [tenantKeys.usage(tenant), tenantKeys.held(tenant)], [keyPrefix]);
  const [claims, instanceMs, live, since] = UsageReply.parse(reply);
  return {
    ...{ tenant, claims, instanceSeconds: instanceMs / 1000, live },
    ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
  };
}

const LimitsHash = z.object({
  held: Count.exactOptional(),
  claimsPerMinute: Count.exactOptional(),
  waiting: Count.exactOptional(),
});

/** Of the limits' content, in the order of the schema. */
function limitsEtag({ held, claimsPerMinute, waiting }: TenantLimits): string {
  return etagOf(JSON.stringify({ held, claimsPerMinute, waiting }));
}
