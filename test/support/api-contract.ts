import { parse } from 'yaml';
import { z } from 'zod';
import { type JsonSchema, type OpenApiDocument, type Operation, readOpenApi } from '#src/api/openapi-model.ts';

export interface DocumentedOperation extends Operation {
  readonly method: string;
  /** As in openapi.yaml: `/v1/pools/{pool}`. */
  readonly path: string;
}

interface PlainAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: unknown;
}

/** What openapi.yaml promises, to hold answers against. */
export interface ApiContract {
  readonly document: OpenApiDocument;
  readonly operations: readonly DocumentedOperation[];
  /** Of one schema in the document. Fields that it does not name do not fit. */
  validator(schema: JsonSchema): z.ZodType;
  /** What of an answer is not as documented; undefined when all is. */
  complaintOf(request: { method: string; path: string }, answer: PlainAnswer): string | undefined;
}

/** What a path without an operation may answer, under the router of the API. */
const anywhere = ['not_found', 'method_not_allowed', 'request_target_invalid', 'body_too_large', 'unauthenticated', 'rate_limited'];
const Coded = z.object({ code: z.string() });

export function readContract(yaml: string): ApiContract {
  const document = readOpenApi(parse(yaml));
  const schemas = new Map<JsonSchema, z.ZodType>();
  const validator = (schema: JsonSchema) => {
    const made = schemas.get(schema) ?? toZod(schema, document);
    schemas.set(schema, made);
    return made;
  };
  const operations = Object.entries(document.paths)
    .flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })))
    .toSorted((a, b) => a.path.split('{').length - b.path.split('{').length); // what is named goes before what is a parameter
  const patterns = operations.map((operation) => ({
    operation,
    pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
  return {
    document,
    operations,
    validator,
    complaintOf: ({ method, path }, answer) => {
      const plain = new URL(path, 'http://api').pathname; // as a client sends it: without `.` and `..`
      const found = patterns.find(({ operation, pattern }) => operation.method === method && pattern.test(plain));
      const complaint = found ? judge(found.operation, answer, validator) : judgeUnknown(answer);
      return complaint && `${method} ${plain.slice(0, 100)} answered ${answer.status} ${answer.text.slice(0, 500)}: ${complaint}`;
    },
  };
}

function judge(
  { operationId, responses }: Operation,
  answer: PlainAnswer,
  validator: (schema: JsonSchema) => z.ZodType,
): string | undefined {
  const documented = responses[String(answer.status)];
  if (documented === undefined) return `${operationId} documents no ${answer.status}`;
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  if (documented.content === undefined) return answer.text === '' ? undefined : `${operationId} documents no content for ${answer.status}`;
  const media = documented.content[type];
  if (media?.schema === undefined) return `${operationId} documents no ${type || 'answer without a type'} for ${answer.status}`;
  if (type === 'application/problem+json') {
    const code = Coded.safeParse(answer.body).data?.code ?? '';
    if (!Object.hasOwn(media.examples ?? {}, code)) return `${operationId} does not document the code ${code}`;
  }
  if (!/[/+]json$/.test(type)) return undefined;
  const { error } = validator(media.schema).safeParse(answer.body);
  return error && `it does not fit its schema: ${z.prettifyError(error)}`;
}

function judgeUnknown({ body }: PlainAnswer): string | undefined {
  const code = Coded.safeParse(body).data?.code;
  return code === undefined || anywhere.includes(code) ? undefined : `${code} is not for paths without an operation`;
}

/** Fields that are not documented do not fit either. Problems may say more. */
function toZod(schema: JsonSchema, { components }: OpenApiDocument): z.ZodType {
  const $defs = Object.fromEntries(
    Object.entries(components.schemas).map(([name, component]) => [name, name === 'Problem' ? withDefs(component) : closed(component)]),
  );
  return z.fromJSONSchema({ ...closed(schema), $defs });
}

function closed(schema: JsonSchema): Record<string, unknown> {
  const made = withDefs(schema, closed);
  return schema.properties === undefined || schema.additionalProperties !== undefined ? made : { ...made, additionalProperties: false };
}

/** The same schema with its references pointing into `$defs`. */
function withDefs(schema: JsonSchema, each: (part: JsonSchema) => Record<string, unknown> = withDefs): Record<string, unknown> {
  const { $ref, properties, items, additionalProperties, anyOf, allOf, ...rest } = schema;
  if ($ref !== undefined) return { $ref: $ref.replace('#/components/schemas/', '#/$defs/') };
  return {
    ...rest,
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, each(part)])) }),
    ...(items && { items: each(items) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: typeof additionalProperties === 'boolean' ? additionalProperties : each(additionalProperties) }),
    ...(anyOf && { anyOf: anyOf.map((part) => each(part)) }),
    ...(allOf && { allOf: allOf.map((part) => withDefs(part)) }), // each part alone knows not all fields
  };
}
