import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { AppEnv } from '#src/platform/http/access.ts';
import { componentName, type JsonSchema, type OpenApiDocument } from './openapi-model.ts';

/**
 * Takes fields that are `exactOptional` off the lists of required ones: zod-to-openapi 8 asks whether a schema accepts undefined, and those
 * do not, though the field may be absent. Walks the schemas of the routes and what was made of them side by side.
 */
export function correctRequired(definitions: OpenAPIHono<AppEnv>['openAPIRegistry']['definitions'], document: OpenApiDocument): void {
  const seen = new Set<JsonSchema>();
  const correct = (schema: unknown, made: JsonSchema | undefined) => correctSchema(schema, made, { document, seen });
  for (const definition of definitions) {
    if (definition.type !== 'route') continue;
    const { route } = definition;
    const operation = document.paths[route.path]?.[route.method];
    for (const [type, media] of Object.entries(route.request?.body?.content ?? {})) {
      correct(schemaOf(media), operation?.requestBody?.content[type]?.schema);
    }
    for (const [status, response] of Object.entries(route.responses)) {
      if (!('content' in response)) continue;
      for (const [type, media] of Object.entries(response.content ?? {})) {
        correct(schemaOf(media), operation?.responses[status]?.content?.[type]?.schema);
      }
    }
  }
}

function schemaOf(media: object | undefined): unknown {
  return media !== undefined && 'schema' in media ? media.schema : undefined;
}

interface Walk {
  readonly document: OpenApiDocument;
  readonly seen: Set<JsonSchema>;
}

function correctSchema(schema: unknown, made: JsonSchema | undefined, walk: Walk): void {
  if (made === undefined || walk.seen.has(made)) return;
  const name = componentName(made);
  if (name !== undefined) correctSchema(schema, walk.document.components.schemas[name], walk);
  walk.seen.add(made);
  for (const part of made.allOf ?? []) correctSchema(schema, part, walk);
  const own = unwrap(schema);
  if (own instanceof z.ZodObject) correctObject(own, made, walk);
  if (own instanceof z.ZodArray) correctSchema(own.element, made.items, walk);
  if (own instanceof z.ZodRecord && typeof made.additionalProperties === 'object') {
    correctSchema(own.valueType, made.additionalProperties, walk);
  }
  if (own instanceof z.ZodUnion) {
    for (const [index, option] of own.options.entries()) correctSchema(option, made.anyOf?.[index], walk);
  }
}

function correctObject({ shape }: z.ZodObject, made: JsonSchema, walk: Walk): void {
  const required = made.required?.filter((name) => !(shape[name] instanceof z.ZodExactOptional));
  if (required?.length === 0) delete made.required;
  else if (required !== undefined) made.required = required;
  for (const [name, field] of Object.entries(shape)) correctSchema(field, made.properties?.[name], walk);
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  const wrappers = [z.ZodOptional, z.ZodExactOptional, z.ZodDefault, z.ZodPrefault, z.ZodNullable, z.ZodCatch, z.ZodReadonly];
  for (const wrapper of wrappers) if (schema instanceof wrapper) return unwrap(schema.unwrap());
  return schema;
}
