import type { OpenAPIHono } from '@hono/zod-openapi';
import { stringify } from 'yaml';
import { problems } from '#src/platform/errors.ts';
import type { AppEnv } from '#src/platform/http/access.ts';
import { addExamples } from './add-examples.ts';
import { correctRequired } from './correct-required.ts';
import { type OpenApiDocument, operationsOf, readOpenApi } from './openapi-model.ts';
import { problemExamples, problemTable } from './problem-reference.ts';

const description = `Golden checkpoints of slow containers, pools of warm clones, and claims on them.

Clients ignore fields they do not know; requests with unknown fields are refused. Times are RFC 3339 in UTC.
\`x-thaw-roles\` of an operation names the roles of the API keys that may use it. What belongs to another tenant is answered like what
does not exist (404).

A POST that creates takes an \`Idempotency-Key\`: the same key with the same body answers with what the first request made. A key with a
rate limit finds \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` (seconds) in every answer, and \`Retry-After\` in a 429;
each process of the API counts for itself.

## Problems

Errors are RFC 9457 problem details with a stable \`code\`, a \`class\` that says whom to ask and a \`fix\` that says what to do. With
\`Retry-After\` the same request, under the same \`Idempotency-Key\`, may succeed later. Besides the codes that an operation lists, any path
can answer \`not_found\`, \`method_not_allowed\` and \`request_target_invalid\`. Some are met at the gateway only, and some only as the
\`problem\` of an operation, a golden or an instance.

<details>
<summary>All problem codes</summary>

${problemTable()}

</details>`;

/** openapi.yaml as it is committed and served: what the routes say of themselves, completed. */
export function openapiYaml(app: OpenAPIHono<AppEnv>): string {
  return stringify(openapiDocument(app), { lineWidth: 140, aliasDuplicateObjects: false });
}

function openapiDocument(app: OpenAPIHono<AppEnv>): OpenApiDocument {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, or a tenant token',
  });
  const info = { title: 'Thaw', version: '1', description, license: { name: 'Apache-2.0' } };
  const document = readOpenApi(app.getOpenAPI31Document({ openapi: '3.1.0', info, security: [{ bearer: [] }] }));
  correctRequired(app.openAPIRegistry.definitions, document);
  addTags(document);
  nameHeaders(document);
  addBodyLimit(document);
  addExamples(document);
  document.components.examples = problemExamples();
  return document;
}

/** What /docs groups the operations by: the last noun of their path that is a list of things. */
function addTags(document: OpenApiDocument): void {
  const nouns = [
    'templates',
    'goldens',
    'aliases',
    'pools',
    'claims',
    'tenants',
    'instances',
    'nodes',
    'operations',
    'events',
    'keys',
    'audit',
  ];
  for (const { path, operation } of operationsOf(document)) {
    operation.tags = [path.split('/').findLast((part) => nouns.includes(part)) ?? 'health'];
  }
  document.tags = [...nouns, 'health'].map((name) => ({ name }));
}

/** As they are usually written, whatever a route calls them: clients in TypeScript have to name them. */
function nameHeaders(document: OpenApiDocument): void {
  for (const { operation } of operationsOf(document)) {
    for (const parameter of operation.parameters ?? []) {
      if (parameter.in === 'header') parameter.name = parameter.name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase());
    }
  }
}

/** The limit holds for every body, also one that nobody asked for; see app.ts. */
function addBodyLimit(document: OpenApiDocument): void {
  const { status, title } = problems.body_too_large;
  for (const { method, operation } of operationsOf(document)) {
    if (method === 'get') continue;
    operation.responses[status] ??= {
      description: `\`body_too_large\`: ${title}`,
      content: {
        'application/problem+json': {
          schema: { $ref: '#/components/schemas/Problem' },
          examples: { body_too_large: { $ref: '#/components/examples/body_too_large' } },
        },
      },
    };
  }
}
