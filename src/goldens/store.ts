import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { Failure } from '#src/platform/failure.ts';
import { hashFields, jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import { GoldenId, goldenId, type OperationId, splitGoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import { type PageQuery, readNewest } from '#src/platform/sorted-page.ts';
import { templateKeys, templateNotFound } from '#src/templates/store.ts';
import type { Template } from '#src/templates/template.ts';
import { Golden, GoldenState, goldenStatesBefore, isUnderWay } from './golden.ts';
import { goldenKeys, keepDeletedMs } from './keys.ts';

const createScript = loadLuaScript(import.meta.url, './lua/create-golden.lua');
const moveScript = loadLuaScript(import.meta.url, './lua/move-golden.lua');

export interface GoldenDraft {
  readonly template: Template;
  readonly node: string;
  readonly operation: OperationId;
  readonly notes?: string | undefined;
  readonly requestedBy?: Golden['requestedBy'] | undefined;
}

const CreateReply = z.union([z.tuple([z.enum(['created', 'under_way']), GoldenId]), z.tuple([z.literal('no_template')])]);

/**
 * Numbers the next golden of a template and records it as capturing; one that is under way by the same operation is answered as it is.
 * Throws capture_in_progress, or template_not_found when the template was deleted meanwhile.
 */
export async function createGolden(redis: Redis, { template, ...provenance }: GoldenDraft): Promise<Golden> {
  const { name } = template;
  const fields = hashFields({ ...provenance, templateEtag: template.etag, spec: template.spec });
  const keys = [goldenKeys.number(name), goldenKeys.ofTemplate(name), goldenKeys.captures, templateKeys.template(name)];
  const reply = await createScript.run(redis, keys, [name, keyPrefix, ...fields]);
  const [outcome, id] = CreateReply.parse(reply);
  if (outcome === 'created') return requireGolden(redis, id);
  if (outcome === 'no_template') throw templateNotFound(name);
  const other = await getGolden(redis, id);
  if (other?.operation === provenance.operation) return other;
  throw new ThawError('capture_in_progress', `golden ${id} of template "${name}" is being captured; one at a time`, {
    fix: 'Wait for its operation to end, or cancel it.',
    details: { golden: id },
  });
}

/** What becomes known of a golden as it is made and verified. */
export type GoldenFields = Partial<
  Omit<Golden, 'id' | 'template' | 'number' | 'state' | 'node' | 'operation' | 'templateEtag' | 'spec' | 'createdAt'>
>;

const MoveReply = z.union([
  z.tuple([z.enum(['moved', 'kept']), z.union([GoldenState, z.literal('')])]),
  z.tuple([z.literal('aliased'), z.string()]),
]);

/** Atomic. Throws golden_in_use for one to be retired or deleted that an alias points to, invalid_transition when its state does not allow it. */
export async function moveGolden(redis: Redis, id: GoldenId, to: GoldenState, fields: GoldenFields = {}): Promise<void> {
  const { template } = splitGoldenId(id);
  const allowed = goldenStatesBefore(to).map((state) => `${state},`);
  const { golden, ofTemplate, captures, aliases, failures, retired } = goldenKeys;
  const reply = await moveScript.run(
    redis,
    [golden(id), ofTemplate(template), captures, aliases(template), failures(id), retired],
    [id, to, allowed.join(''), isUnderWay(to) ? 1 : 0, keepDeletedMs, keyPrefix, ...hashFields(fields)],
  );
  const [outcome, found] = MoveReply.parse(reply);
  if (outcome === 'moved') return;
  if (outcome === 'aliased') {
    throw new ThawError('golden_in_use', `golden ${id} is what the alias "${found}" points to`, {
      fix: `Point "${found}" to another golden first: PUT /v1/templates/${template}/aliases/${found}.`,
    });
  }
  throw new ThawError('invalid_transition', `golden ${id} is ${found === '' ? 'not recorded' : found} and can not become ${to}`, {
    fix: 'Read it again and see its operation.',
  });
}

export async function getGolden(redis: Redis, id: GoldenId): Promise<Golden | undefined> {
  return parseGolden(await redis.hgetall(goldenKeys.golden(id)));
}

/** Throws golden_not_found. */
export async function requireGolden(redis: Redis, id: GoldenId): Promise<Golden> {
  const golden = await getGolden(redis, id);
  if (golden) return golden;
  const { template } = splitGoldenId(id);
  throw new ThawError('golden_not_found', `there is no golden ${id}`, { fix: `List them with GET /v1/templates/${template}/goldens.` });
}

/** Newest first; deleted ones are left out. */
export async function listGoldens(redis: Redis, template: string, query: PageQuery): Promise<Page<Golden>> {
  const { members, ...next } = await readNewest(redis, goldenKeys.ofTemplate(template), query);
  const goldens = await Promise.all(members.map((number) => getGolden(redis, goldenId(template, Number(number)))));
  return { items: goldens.filter((golden) => golden !== undefined), ...next };
}

/** Newest first; deleted ones are left out. */
export async function listAllGoldens(redis: Redis, template: string): Promise<Golden[]> {
  const numbers = await redis.zrevrange(goldenKeys.ofTemplate(template), 0, '-1');
  const goldens = await Promise.all(numbers.map((number) => getGolden(redis, goldenId(template, Number(number)))));
  return goldens.filter((golden) => golden !== undefined);
}

/** Ids of the goldens whose capture has not ended, of all templates. */
export async function listCaptures(redis: Redis): Promise<GoldenId[]> {
  return z.array(GoldenId).parse(await redis.hvals(goldenKeys.captures));
}

/** The ready golden that an alias (`stable`) or a number names. Throws alias_not_found, golden_not_found or golden_not_ready. */
export async function resolveGolden(redis: Redis, template: string, ref: string | number): Promise<Golden> {
  const golden = await requireGolden(redis, goldenId(template, typeof ref === 'number' ? ref : await numberOf(redis, template, ref)));
  if (golden.state === 'ready') return golden;
  throw notReady(golden);
}

async function numberOf(redis: Redis, template: string, alias: string): Promise<number> {
  const number = await redis.hget(goldenKeys.aliases(template), alias);
  if (number !== null) return Number(number);
  throw aliasNotFound(template, alias);
}

export function aliasNotFound(template: string, alias: string): ThawError {
  return new ThawError('alias_not_found', `template "${template}" has no golden with the alias "${alias}"`, {
    fix: `Capture one with POST /v1/templates/${template}/goldens, or set the alias with PUT /v1/templates/${template}/aliases/${alias}.`,
  });
}

export function underWay({ id, state, operation }: Golden): ThawError {
  return new ThawError('capture_in_progress', `golden ${id} is ${state}`, {
    fix: `Cancel its capture with POST /v1/operations/${operation}/cancel, or wait for its end.`,
  });
}

export function notReady({ id, state, operation, problem }: Golden): ThawError {
  return new ThawError('golden_not_ready', `golden ${id} is ${state}${problem ? `: ${problem.message}` : ''}`, {
    fix: `See its capture at /v1/operations/${operation}, or use another golden.`,
  });
}

const GoldenHash = z.object({
  ...Golden.shape,
  number: z.coerce.number(),
  spec: jsonField(Golden.shape.spec),
  createdAt: z.coerce.number(),
  sizeBytes: z.coerce.number().exactOptional(),
  pagesBytes: z.coerce.number().exactOptional(),
  uniqueBytes: z.coerce.number().exactOptional(),
  fingerprint: jsonField(Golden.shape.fingerprint.unwrap()).exactOptional(),
  timingsMs: jsonField(Golden.shape.timingsMs).default({}),
  problem: jsonField(Failure).exactOptional(),
  steps: jsonField(Golden.shape.steps.unwrap()).exactOptional(),
  requestedBy: jsonField(Golden.shape.requestedBy.unwrap()).exactOptional(),
  connections: jsonField(Golden.shape.connections.unwrap()).exactOptional(),
  scan: jsonField(Golden.shape.scan.unwrap()).exactOptional(),
  evidence: jsonField(Golden.shape.evidence.unwrap()).exactOptional(),
  origin: jsonField(Golden.shape.origin.unwrap()).exactOptional(),
});

function parseGolden(hash: Readonly<Record<string, string>>): Golden | undefined {
  return 'id' in hash ? GoldenHash.parse(hash) : undefined;
}
