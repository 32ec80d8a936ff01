import { z } from 'zod';

/** The parts of a JSON schema that are read here; the others are kept as they are. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  anyOf?: JsonSchema[];
  allOf?: JsonSchema[];
  example?: unknown;
  [field: string]: unknown;
}

const JsonSchema: z.ZodType<JsonSchema> = z.lazy(() =>
  z.looseObject({
    $ref: z.string().exactOptional(),
    type: z.union([z.string(), z.array(z.string())]).exactOptional(),
    properties: z.record(z.string(), JsonSchema).exactOptional(),
    required: z.array(z.string()).exactOptional(),
    items: JsonSchema.exactOptional(),
    additionalProperties: z.union([z.boolean(), JsonSchema]).exactOptional(),
    anyOf: z.array(JsonSchema).exactOptional(),
    allOf: z.array(JsonSchema).exactOptional(),
  }),
);

const MediaType = z.looseObject({
  schema: JsonSchema.exactOptional(),
  example: z.unknown().exactOptional(),
  examples: z.record(z.string(), z.unknown()).exactOptional(),
});
export type MediaType = z.infer<typeof MediaType>;

const Content = z.record(z.string(), MediaType);

const Parameter = z.looseObject({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  required: z.boolean().exactOptional(),
  schema: JsonSchema,
  example: z.unknown().exactOptional(),
});

const Operation = z.looseObject({
  operationId: z.string(),
  parameters: z.array(Parameter).exactOptional(),
  requestBody: z.looseObject({ content: Content }).exactOptional(),
  responses: z.record(z.string(), z.looseObject({ content: Content.exactOptional() })),
});
export type Operation = z.infer<typeof Operation>;

/** An OpenAPI document as far as it is worked with; what is not named here stays as it is. */
const OpenApiDocument = z.looseObject({
  components: z.looseObject({ schemas: z.record(z.string(), JsonSchema), examples: z.record(z.string(), z.unknown()).exactOptional() }),
  /** By path and method (lower case). */
  paths: z.record(z.string(), z.record(z.string(), Operation)),
});
export type OpenApiDocument = z.infer<typeof OpenApiDocument>;

/** What may be asked, with the path and the method (lower case) under which it is. */
export function operationsOf({ paths }: OpenApiDocument): { path: string; method: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
}

/** The document itself, not a copy: its fields keep their order. */
export function readOpenApi(document: unknown): OpenApiDocument {
  if (isOpenApi(document)) return document;
  throw new Error('what the routes were described by is no OpenAPI document');
}

function isOpenApi(document: unknown): document is OpenApiDocument {
  return OpenApiDocument.safeParse(document).success;
}

const schemaPrefix = '#/components/schemas/';

/** The component that a reference points to, by its name. */
export function componentName({ $ref }: JsonSchema): string | undefined {
  return $ref?.startsWith(schemaPrefix) ? $ref.slice(schemaPrefix.length) : undefined;
}
