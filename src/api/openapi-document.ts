import type { OpenAPIHono } from '@hono/zod-openapi';
import { stringify } from 'yaml';
import type { AppEnv } from '#src/platform/http/access.ts';

const description = `Golden checkpoints of slow containers, pools of warm clones, and claims on them.

Errors are RFC 9457 problem details with a stable \`code\`, a \`class\` that says whom to ask and a \`fix\` that says what to do.
Clients ignore fields they do not know; requests with unknown fields are refused. Times are RFC 3339 in UTC.
\`x-thaw-roles\` of an operation names the roles of the API keys that may use it.`;

/** openapi.yaml as it is committed and served. The routes are its only source. */
export function openapiYaml(app: OpenAPIHono<AppEnv>): string {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer', description: 'An API key' });
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Thaw', version: '1', description, license: { name: 'Apache-2.0' } },
    security: [{ bearer: [] }],
  });
  return stringify(document, { lineWidth: 140, aliasDuplicateObjects: false });
}
