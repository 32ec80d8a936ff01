import { componentName, type JsonSchema, type OpenApiDocument } from '#src/api/openapi-model.ts';
import type { Random } from './random.ts';

type Components = OpenApiDocument['components']['schemas'];

/** What strings are tried against a pattern. */
const words = [
  ...[
    'web',
    'side',
    'acme',
    'globex',
    'stable',
    'canary',
    'a',
    'x1',
    'n1',
    'PLAN',
    'TOKEN',
    '/',
    '/healthz',
    '25%',
    '150%',
    'web@1',
    'web@2',
    'side@1',
  ],
  ...[
    'clm-0123456789abcdef',
    'ins-0123456789abcdef',
    'op-0123456789abcdef',
    'key-0123456789abcdef',
    'nginx:1.27',
    'dir:/app',
    'oci:/a:b',
    '0',
    '7',
  ],
  ...['claim', 'claim.active,instance', '1767225600000-0', '8080', 'USER', '1000:1000'],
];

/** Numbers that would make the service do more than a test can wait for. */
const tame: Readonly<Record<string, readonly number[]>> = {
  ready: [0, 1, 2],
  max: [1, 2, 3],
  waitMs: [0, 0, 20, 60, 300_000],
  timeoutMs: [100, 200],
  intervalMs: [5, 20],
  ttlMs: [1000, 60_000],
};

/** What exists, or may: of fields by their names. */
const likely: Readonly<Record<string, readonly string[]>> = {
  template: ['web', 'web', 'web', 'side'],
  pools: ['web', 'side'],
  tenant: ['acme', 'globex'],
  golden: ['stable', 'web@1'],
};

/** A value as a schema describes it; what a schema can not say (rules between fields, existence) may still be wrong. */
export function generate(schema: JsonSchema, components: Components, random: Random, name = ''): unknown {
  const component = componentName(schema);
  if (component !== undefined) return generate(components[component] ?? {}, components, random, name);
  if (schema.example !== undefined && random.chance(0.2)) return schema.example;
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => generate(part, components, random)));
  if (schema.anyOf) return generate(random.pick(schema.anyOf), components, random, name);
  if (Array.isArray(schema.enum)) return random.pick<unknown>(schema.enum);
  if (schema.type === 'object') return generateObject(schema, components, random);
  if (schema.type === 'array') return generateArray(schema, components, random, name);
  if (schema.type === 'boolean') return random.chance(0.5);
  if (schema.type === 'integer' || schema.type === 'number') return generateNumber(schema, random, name);
  return schema.type === 'null' ? undefined : generateText(schema, random, name);
}

function generateObject(
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  components: Components,
  random: Random,
): object {
  const fields = Object.entries(properties).filter(([name]) => required.includes(name) || random.chance(0.15));
  const more = typeof additionalProperties === 'object' ? Array.from({ length: random.below(3) }, () => random.pick(words)) : [];
  return Object.fromEntries([
    ...fields.map(([name, field]) => [name, generate(field, components, random, name)]),
    ...more.map((name) => [name, typeof additionalProperties === 'object' ? generate(additionalProperties, components, random) : '']),
  ]);
}

function generateArray({ items = {}, minItems }: JsonSchema, components: Components, random: Random, name: string): unknown[] {
  const least = typeof minItems === 'number' ? minItems : 0;
  return Array.from({ length: least + random.below(3) }, () => generate(items, components, random, name));
}

function generateNumber(schema: JsonSchema, random: Random, name: string): unknown {
  const known = tame[name];
  if (known) return random.pick(known);
  const { minimum, maximum, default: usual, example } = schema;
  return random.pick([minimum, minimum, usual, example, maximum, 1, 7].filter((value) => typeof value === 'number'));
}

function generateText({ pattern, minLength, format, default: usual }: JsonSchema, random: Random, name: string): unknown {
  if (format === 'date-time') return random.pick(['2099-01-01T00:00:00Z', '2000-01-01T00:00:00.000Z']);
  const fits = (text: string) => (typeof pattern !== 'string' || new RegExp(pattern).test(text)) && text.length >= Number(minLength ?? 0);
  const fitting = (likely[name] ?? words).filter(fits);
  if (typeof usual === 'string' && random.chance(0.5)) return usual;
  return random.pick(fitting.length > 0 ? fitting : words);
}
