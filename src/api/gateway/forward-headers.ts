import type { IncomingMessage } from 'node:http';
import type { Client } from '#src/platform/http/read-client.ts';
import type { Admission } from './admit.ts';

/** Of one connection, not of the request (RFC 9110, 7.6.1); node:http writes its own where they are due. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What the gateway says in the client's place: the client's own words for it are dropped. */
const ours = new Set(['host', 'content-length', 'authorization', 'cookie', 'thaw-token', 'forwarded', 'x-real-ip', 'expect']);

export interface Passing {
  readonly request: IncomingMessage;
  readonly client: Client;
  readonly admission: Pick<Admission, 'authorization' | 'cookie'>;
  readonly prefix: string;
}

/** The headers for the instance: name, value, name, value, …; names and order as they came. */
export function requestHeaders({ request, client, admission, prefix }: Passing, isUpgrade: boolean): string[] {
  const out = ['Host', client.host];
  pushEndToEnd(request, out, (key) => ours.has(key) || key.startsWith('x-forwarded-'));
  if (admission.authorization !== undefined) out.push('Authorization', admission.authorization);
  if (admission.cookie !== undefined) out.push('Cookie', admission.cookie);
  if (String(request.headers.te).toLowerCase().includes('trailers')) out.push('TE', 'trailers');
  out.push('X-Forwarded-For', client.forwardedFor, 'X-Forwarded-Proto', client.protocol, 'X-Forwarded-Host', client.host);
  if (prefix !== '') out.push('X-Forwarded-Prefix', prefix);
  if (isUpgrade) out.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
  else pushFraming(request, out);
  return out;
}

/** How long the body is: said once, so that nobody can understand it in two ways. node's parser has refused what is ambiguous. */
function pushFraming({ method = '', headers }: IncomingMessage, out: string[]): void {
  if (headers['transfer-encoding'] !== undefined) out.push('Transfer-Encoding', 'chunked');
  else if (headers['content-length'] !== undefined) out.push('Content-Length', headers['content-length']);
  else if (/^P/.test(method)) out.push('Content-Length', '0'); // node would send an empty body in chunks
  if (headers.expect !== undefined) out.push('Expect', '100-continue');
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0');
}

/**
 * The headers for the client. `isSharedHost`: the instance answers below a path of the API's host, where its service worker may not take
 * over what is not its own.
 */
export function responseHeaders(answer: IncomingMessage, isSharedHost: boolean): string[] {
  const out: string[] = [];
  pushEndToEnd(answer, out, (key) => isSharedHost && key === 'service-worker-allowed');
  return out;
}

/** What is not of this connection alone, and not dropped by its name in lower case. */
function pushEndToEnd({ headers, rawHeaders }: IncomingMessage, out: string[], isDropped: (key: string) => boolean): void {
  const named = namedByConnection(headers.connection);
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const key = name.toLowerCase();
    if (hopByHop.has(key) || named?.has(key) || isDropped(key)) continue;
    out.push(name, rawHeaders[at + 1] ?? '');
  }
}

/** What else a Connection header takes out; undefined for the usual ones. A length is never taken out: it frames the body. */
function namedByConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const named = connection
    .toLowerCase()
    .split(',')
    .map((part) => part.trim());
  return new Set(named.filter((name) => name !== 'content-length'));
}

/** node:http takes trailers in pairs. */
export function trailersOf({ rawTrailers }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawTrailers.length / 2 }, (_, pair) => [rawTrailers[pair * 2] ?? '', rawTrailers[pair * 2 + 1] ?? '']);
}
