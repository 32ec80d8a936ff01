import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { decodeCursor, encodeCursor, type Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import type { PageQuery } from '#src/platform/sorted-page.ts';
import { Template, TemplateSpec } from './template.ts';

const saveScript = loadLuaScript(import.meta.url, './lua/save-template.lua');

/** Redis keys of the room. */
export const templateKeys = {
  /** hash, one template. */
  template: (name: string) => `${keyPrefix}template:${name}`,
  /** zset, names, all with score 0: in alphabetical order. */
  all: `${keyPrefix}templates`,
};

export async function getTemplate(redis: Redis, name: string): Promise<Template | undefined> {
  return parseTemplate(await redis.hgetall(templateKeys.template(name)));
}

/** Throws template_not_found. */
export async function requireTemplate(redis: Redis, name: string): Promise<Template> {
  const template = await getTemplate(redis, name);
  if (template) return template;
  throw templateNotFound(name);
}

export function templateNotFound(name: string): ThawError {
  return new ThawError('template_not_found', `there is no template "${name}"`, { fix: `Create it with PUT /v1/templates/${name}.` });
}

/** By name. */
export async function listTemplates(redis: Redis, query: PageQuery): Promise<Page<Template>> {
  const after = query.cursor === undefined ? '-' : `(${decodeCursor(query.cursor)}`;
  const names = await redis.zrange(templateKeys.all, after, '+', 'BYLEX', 'LIMIT', 0, query.limit + 1);
  const shown = names.slice(0, query.limit);
  const items = await getTemplates(redis, shown);
  const last = shown.at(-1);
  return names.length > query.limit && last !== undefined ? { items, nextCursor: encodeCursor(last) } : { items };
}

const Changed = z.tuple([z.literal('changed'), z.string()]);
const SaveReply = z.union([z.enum(['created', 'updated']), Changed]);

/** Throws precondition_failed when `ifMatch` (an etag, or `*`) is not what is stored. */
export async function saveTemplate(
  redis: Redis,
  name: string,
  spec: TemplateSpec,
  ifMatch = '',
): Promise<{ template: Template; created: boolean }> {
  const text = JSON.stringify(spec);
  const etag = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const reply = SaveReply.parse(
    await saveScript.run(redis, [templateKeys.template(name), templateKeys.all], [name, text, etag, ifMatch, keyPrefix]),
  );
  if (typeof reply !== 'string') throw templateChanged(name, reply[1], ifMatch);
  return { template: await requireTemplate(redis, name), created: reply === 'created' };
}

/** `etag` is the one that is stored, '' when there is none. */
export function templateChanged(name: string, etag: string, ifMatch: string): ThawError {
  const now = etag === '' ? 'does not exist' : `has the ETag "${etag}"`;
  return new ThawError('precondition_failed', `template "${name}" ${now}, If-Match asks for ${ifMatch}`, {
    fix: 'Read it again, apply the change to what it says now and send that with its ETag.',
  });
}

async function getTemplates(redis: Redis, names: readonly string[]): Promise<Template[]> {
  const templates = await Promise.all(names.map((name) => getTemplate(redis, name)));
  return templates.filter((template) => template !== undefined);
}

const TemplateHash = z.object({
  ...Template.shape,
  spec: jsonField(TemplateSpec),
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
});

function parseTemplate(hash: Readonly<Record<string, string>>): Template | undefined {
  return 'name' in hash ? TemplateHash.parse(hash) : undefined;
}
