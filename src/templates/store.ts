import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { etagOf, preconditionFailed } from '#src/platform/etag.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type PageQuery, readByName } from '#src/platform/sorted-page.ts';
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
  const { members, ...next } = await readByName(redis, templateKeys.all, query);
  const templates = await Promise.all(members.map((name) => getTemplate(redis, name)));
  return { items: templates.filter((template) => template !== undefined), ...next };
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
  const etag = etagOf(text);
  const reply = SaveReply.parse(
    await saveScript.run(redis, [templateKeys.template(name), templateKeys.all], [name, text, etag, ifMatch, keyPrefix]),
  );
  if (typeof reply !== 'string') throw preconditionFailed(`template "${name}"`, reply[1], ifMatch);
  return { template: await requireTemplate(redis, name), created: reply === 'created' };
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
