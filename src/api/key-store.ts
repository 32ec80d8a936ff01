import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { Role } from '#src/platform/http/access.ts';
import type { Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type PageQuery, pageOfNewest } from '#src/platform/sorted-page.ts';
import { ApiKey, opensKey } from './key.ts';
import { hashSecret, keyIdOf } from './secret.ts';

const createScript = loadLuaScript(import.meta.url, './lua/create-key.lua');
const swapScript = loadLuaScript(import.meta.url, './lua/swap-key.lua');
const revokeScript = loadLuaScript(import.meta.url, './lua/revoke-key.lua');

/** hash, key id → key (JSON). */
const keysKey = `${keyPrefix}keys`;
/** hash, sha256 of a secret (hex) → key id. */
const secretsKey = `${keyPrefix}key-secrets`;
const tables = [keysKey, secretsKey];
const idempotencyKeptMs = 24 * 3_600_000;

const StoredKey = jsonField(ApiKey);

export interface IdempotentRequest {
  /** Of this actor alone. */
  readonly actorId: string;
  readonly key: string;
  readonly fingerprint: string;
}

const CreateReply = z.union([
  z.tuple([z.literal('created')]),
  z.tuple([z.literal('replayed'), z.string(), z.string()]),
  z.tuple([z.literal('reused')]),
]);

/**
 * Records a new key. The same idempotency key answers the key that it made before, as it is now.
 * Throws idempotency_key_reused, or key_not_found when that key was revoked.
 */
export async function createKey(redis: Redis, key: ApiKey, request?: IdempotentRequest): Promise<{ key: ApiKey; replayed: boolean }> {
  const idempotency = request === undefined ? [] : [`${keyPrefix}key-idempotency:${request.actorId}:${hashSecret(request.key)}`];
  const args = [key.id, JSON.stringify(key), key.secrets[0]?.sha256 ?? '', request?.fingerprint ?? '', idempotencyKeptMs];
  const reply = CreateReply.parse(await createScript.run(redis, [...tables, ...idempotency], args));
  if (reply[0] === 'created') return { key, replayed: false };
  if (reply[0] === 'replayed') {
    if (reply[2] === '') throw keyNotFound(reply[1]);
    return { key: StoredKey.parse(reply[2]), replayed: true };
  }
  throw new ThawError('idempotency_key_reused', 'the idempotency key was used for a key with another body', {
    fix: 'Send the body of the first request again, or a new idempotency key for a new key.',
  });
}

/** Makes a given secret one that works, whatever there was: of a new key, or of the one that it opened first. */
export async function registerKey(redis: Redis, secret: string, name: string, role: Role, scope: ApiKey['scope'] = {}): Promise<ApiKey> {
  const sha256 = hashSecret(secret);
  const known = await findKeyBySecret(redis, sha256);
  if (known !== undefined && opensKey(known, sha256, Date.now())) return known;
  return changeKey(redis, keyIdOf(sha256), (key) => {
    const others = key?.secrets.filter((one) => one.sha256 !== sha256) ?? [];
    const next = { ...(key ?? { id: keyIdOf(sha256), name, role, scope, createdAt: Date.now() }), secrets: [...others, { sha256 }] };
    return { next, added: sha256, over: [] };
  });
}

/** Adds a secret; those there are work for `graceMs` more, or as long as they would have. Throws key_not_found. */
export async function rotateKey(redis: Redis, id: string, secret: string, graceMs: number): Promise<ApiKey> {
  const sha256 = hashSecret(secret);
  return changeKey(redis, id, (key) => {
    if (key === undefined) throw keyNotFound(id);
    const now = Date.now();
    const old = key.secrets.map((one) => ({ sha256: one.sha256, until: Math.min(one.until ?? Number.POSITIVE_INFINITY, now + graceMs) }));
    const kept = old.filter(({ until }) => until > now);
    const over = old.filter(({ until }) => until <= now).map((one) => one.sha256);
    return { next: { ...key, rotatedAt: now, secrets: [...kept, { sha256 }] }, added: sha256, over };
  });
}

interface KeyChange {
  readonly next: ApiKey;
  /** Sha256 of the secret that is added, and of those that are over. */
  readonly added: string;
  readonly over: readonly string[];
}

/** Reads, changes and writes; begins again when another process was in between. */
async function changeKey(redis: Redis, id: string, change: (key: ApiKey | undefined) => KeyChange): Promise<ApiKey> {
  for (;;) {
    const found = await redis.hget(keysKey, id);
    const { next, added, over } = change(found === null ? undefined : StoredKey.parse(found));
    if ((await swapScript.run(redis, tables, [id, found ?? '', JSON.stringify(next), added, ...over])) === 1) return next;
  }
}

/** The key that a secret opens or has opened: see opensKey. */
export async function findKeyBySecret(redis: Redis, sha256: string): Promise<ApiKey | undefined> {
  const id = await redis.hget(secretsKey, sha256);
  return id === null ? undefined : findKey(redis, id);
}

export async function findKey(redis: Redis, id: string): Promise<ApiKey | undefined> {
  const stored = await redis.hget(keysKey, id);
  return stored === null ? undefined : StoredKey.parse(stored);
}

/** There are few: one per service that calls, and per tenant that was given one. */
export async function allKeys(redis: Redis): Promise<ApiKey[]> {
  return z.array(StoredKey).parse(await redis.hvals(keysKey));
}

/** Newest first. */
export async function listKeys(redis: Redis, query: PageQuery): Promise<Page<ApiKey>> {
  const keys = new Map((await allKeys(redis)).map((key) => [key.id, key]));
  const ranked = [...keys.values()].map(({ id, createdAt }) => ({ member: id, score: createdAt }));
  const { members, ...next } = pageOfNewest(ranked, query);
  return { items: members.flatMap((id) => keys.get(id) ?? []), ...next };
}

/** It is refused within a second, with all tokens that it minted. Throws key_not_found, or last_admin_key. */
export async function revokeKey(redis: Redis, id: string): Promise<void> {
  const outcome = z.enum(['revoked', 'not_found', 'last_admin']).parse(await revokeScript.run(redis, tables, [id]));
  if (outcome === 'not_found') throw keyNotFound(id);
  if (outcome === 'last_admin') {
    throw new ThawError('last_admin_key', `key ${id} is the last one with the role admin that does not expire`, {
      fix: 'Make another admin key without expiresAt first.',
    });
  }
}

function keyNotFound(id: string): ThawError {
  return new ThawError('key_not_found', `there is no key ${id}`, { fix: 'GET /v1/keys lists those there are.' });
}
