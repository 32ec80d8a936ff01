import { answerExamples, componentExamples, parameterExamples } from './openapi-examples.ts';
import { componentName, type JsonSchema, type MediaType, type OpenApiDocument, operationsOf } from './openapi-model.ts';

/** Gives an example to each parameter, body and success answer that has none. Problems have theirs by their codes. */
export function addExamples(document: OpenApiDocument): void {
  const exampleOf = (schema: JsonSchema = {}) => exampleFor(schema, document.components.schemas);
  for (const { operation } of operationsOf(document)) {
    const { operationId, parameters = [], requestBody, responses } = operation;
    for (const parameter of parameters) {
      const example = parameter.schema.example ?? parameterExamples[parameter.name];
      if (parameter.in === 'path' && example !== undefined) parameter.example = example;
    }
    for (const media of Object.values(requestBody?.content ?? {})) setExample(media, exampleOf(media.schema));
    for (const [status, { content = {} }] of Object.entries(responses)) {
      if (!status.startsWith('2')) continue;
      for (const [type, media] of Object.entries(content)) {
        const place = type === 'application/json' ? `${operationId} ${status}` : `${operationId} ${status} ${type}`;
        setExample(media, answerExamples[place] ?? exampleOf(media.schema));
      }
    }
  }
}

function setExample(media: MediaType, example: unknown): void {
  if (example !== undefined) media.example = example;
}

/** Undefined where nothing is said of a component. */
function exampleFor(schema: JsonSchema, components: OpenApiDocument['components']['schemas']): unknown {
  const name = componentName(schema);
  if (name !== undefined) return componentExamples[name] ?? components[name]?.example;
  if (schema.items !== undefined) return [exampleFor(schema.items, components)];
  if (schema.properties === undefined) return schema.example;
  const fields = Object.entries(schema.properties).filter(([field]) => schema.required?.includes(field));
  return Object.fromEntries(fields.map(([field, part]) => [field, exampleFor(part, components)]));
}
