import { readFile } from 'node:fs/promises';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { AppEnv } from '#src/platform/http/access.ts';
import { openapiYaml } from './openapi-document.ts';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Thaw API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({ url: '/openapi.yaml', dom_id: '#ui', deepLinking: true, validatorUrl: null });\n`;

/** Nothing is fetched from another host; swagger-ui sets inline styles and draws its icons from data URLs. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The API's description as a file and as a page to try it out. */
export function docsRoutes(app: OpenAPIHono<AppEnv>): void {
  let yaml: string | undefined;
  app.get('/openapi.yaml', (c) => {
    yaml ??= openapiYaml(app);
    return c.body(yaml, 200, { 'Content-Type': 'application/yaml; charset=utf-8' });
  });
  app.get('/docs', (c) => c.html(page, 200, { 'Content-Security-Policy': contentSecurityPolicy, 'X-Content-Type-Options': 'nosniff' }));
  app.get('/docs/start.js', (c) => c.body(start, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  serveFile(app, '/docs/swagger-ui.css', import.meta.resolve('swagger-ui-dist/swagger-ui.css'), 'text/css; charset=utf-8');
  serveFile(
    app,
    '/docs/swagger-ui-bundle.js',
    import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js'),
    'text/javascript; charset=utf-8',
  );
}

function serveFile(app: OpenAPIHono<AppEnv>, route: string, fileUrl: string, type: string): void {
  app.get(route, async (c) => c.body(await readFile(new URL(fileUrl)), 200, { 'Content-Type': type, 'Cache-Control': 'max-age=3600' }));
}
