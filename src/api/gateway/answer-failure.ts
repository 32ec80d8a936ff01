import type { IncomingMessage, ServerResponse } from 'node:http';
import { problems, type ThawError } from '#src/platform/errors.ts';
import { problemHeaders, problemOf } from '#src/platform/http/problem.ts';

/** A page for whoever asks for HTML, problem details for all others. Where the answer has begun, its connection is cut: the client sees that it is not whole. */
export function answerFailure(request: IncomingMessage, response: ServerResponse, error: ThawError, requestId?: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const isPage = request.headers.accept?.includes('text/html') ?? false;
  const body = isPage ? failurePage(error) : JSON.stringify(problemOf(error, requestId));
  response.writeHead(error.status, {
    ...problemHeaders(error),
    ...(isPage
      ? { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'" }
      : { 'Content-Type': 'application/problem+json' }),
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...(awaitsContinue(request) ? { Connection: 'close' } : {}),
  });
  response.end(body);
}

/** A client that was not told to send its body may send it or not: nobody can tell what comes next on this connection. */
export function awaitsContinue({ headers, complete }: IncomingMessage): boolean {
  return headers.expect !== undefined && !complete;
}

function failurePage({ code, message, fix }: ThawError): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(problems[code].title)}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222}code{color:#777}</style>
</head>
<body>
<h1>${escapeHtml(problems[code].title)}</h1>
<p>${escapeHtml(message)}.</p>
<p>${escapeHtml(fix ?? '')}</p>
<p><code>${code}</code></p>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
