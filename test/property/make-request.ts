import type { OpenApiDocument } from '#src/api/openapi-model.ts';
import type { Role } from '#src/platform/http/access.ts';
import type { DocumentedOperation } from '#test/support/api-contract.ts';
import { generate } from './generate.ts';
import { hostileTexts, spoil, spoilText } from './hostile.ts';
import type { Random } from './random.ts';

export interface MadeRequest {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly as: Role;
  readonly headers: Record<string, string>;
  /** The text of the body. */
  readonly body: string | undefined;
}

/** Values for parameters of the path by their names: what exists, so that requests reach something. Grows with the answers. */
export type Known = Map<string, string[]>;

/** How many of all requests are wrong in which way. Most are right elsewhere, so that they come as far as that. */
const shares = { path: 0.12, query: 0.25, header: 0.15, body: 0.45, text: 0.06 };

export function makeRequest(operation: DocumentedOperation, document: OpenApiDocument, known: Known, random: Random): MadeRequest {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => makeSegment(namesFor(operation, known.get(name)), random));
  const body = makeBody(operation, document, random);
  return {
    ...{ operation: operation.operationId, method: operation.method, path: `${path}${makeQuery(operation, document, random)}` },
    as: random.chance(0.8) ? 'admin' : random.pick(['backend', 'tenant'] as const),
    headers: makeHeaders(operation, document, body !== undefined, random),
    body,
  };
}

/** What the others stand on stays. */
function namesFor({ method }: DocumentedOperation, known: readonly string[] = ['nothing']): readonly string[] {
  return method === 'DELETE' ? known.filter((name) => name !== 'web') : known;
}

function makeSegment(names: readonly string[], random: Random): string {
  if (!random.chance(shares.path)) return encodeURIComponent(random.pick(names));
  return random.pick(['%', '%E0%A4%A', '%2e%2e', '%00', '.%2F..', ...hostileTexts.map(encode)]) || '%20';
}

function makeQuery(operation: DocumentedOperation, { components }: OpenApiDocument, random: Random): string {
  const parts = (operation.parameters ?? [])
    .filter((parameter) => parameter.in === 'query' && random.chance(0.4))
    .map(({ name, schema }) => `${name}=${encode(String(generate(schema, components.schemas, random, name)))}`);
  if (random.chance(shares.query) && operation.method === 'GET') parts.push(spoiledQuery(operation, random));
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function spoiledQuery({ parameters = [] }: DocumentedOperation, random: Random): string {
  const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  const name = random.pick([...names, ...names, 'cursor', encode(random.pick(hostileTexts))]);
  const text = random.pick(hostileTexts);
  const opaque = Buffer.from(text).toString('base64url'); // a cursor can be read and still make no sense
  return `${name}=${random.pick([encode(text), opaque, '%E0%A4%A', `1&${name}=2`])}`;
}

function makeHeaders(
  { parameters = [] }: DocumentedOperation,
  { components }: OpenApiDocument,
  hasBody: boolean,
  random: Random,
): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json' };
  for (const { name, schema, in: place } of parameters) {
    if (place !== 'header' || !random.chance(0.4)) continue;
    headers[name] = random.chance(0.7)
      ? latin(String(generate(schema, components.schemas, random, name)))
      : latin(random.pick(hostileTexts));
  }
  if (hasBody)
    headers['content-type'] = random.chance(0.9)
      ? 'application/json'
      : random.pick(['text/plain', '', 'application/json; charset=utf-16', 'x']);
  if (!random.chance(shares.header)) return headers;
  const [name, value] = random.pick([
    ['authorization', `Bearer ${latin(random.pick(hostileTexts))}`],
    ['authorization', 'Basic YWRtaW46YWRtaW4='],
    ['authorization', 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY21lIn0.'],
    ['traceparent', latin(random.pick([...hostileTexts, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`]))],
    ['content-length', random.pick(['-1', '0', '99999999', 'x'])],
    ['prefer', 'respond-async'],
    ['if-match', '*'],
    ['x-forwarded-for', random.pick(hostileTexts.map(latin))],
  ] as const);
  return { ...headers, [name]: value };
}

function makeBody({ method, requestBody }: DocumentedOperation, { components }: OpenApiDocument, random: Random): string | undefined {
  const schema = requestBody?.content['application/json']?.schema;
  if (method === 'GET') return undefined;
  if (schema === undefined) return random.chance(0.05) ? '{"unasked": true}' : undefined;
  if (random.chance(0.03)) return undefined;
  const right = generate(schema, components.schemas, random);
  const json = JSON.stringify(random.chance(shares.body) ? spoil(right, random) : right) ?? 'null';
  return random.chance(shares.text) ? spoilText(json, random) : json;
}

/** A lone surrogate can not be encoded; a client would send it so. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** Headers hold Latin-1 without line breaks; a client library refuses the rest itself. */
function latin(text: string): string {
  return text.replaceAll(/[^\x20-\xff]/g, '?').trim();
}
