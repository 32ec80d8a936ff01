import type { IncomingMessage } from 'node:http';
import { isSafeMethod } from '#src/api/safe-method.ts';
import { ThawError } from '#src/platform/errors.ts';
import { takeLinkToken } from './link-token.ts';
import { splitCookies } from './session-cookie.ts';
import { type GatewayTokens, isGatewayToken } from './tokens.ts';

export interface AdmitDeps {
  readonly tokens: GatewayTokens;
  /** Whether a text is an API key that is good now. */
  isApiKey(text: string): Promise<boolean>;
}

export interface Knock {
  readonly request: IncomingMessage;
  readonly claim: string;
  /** Path and query as they came. */
  readonly target: string;
  /** What the client called us. */
  readonly host: string;
  /** Links and cookies count. Not on the API's own host while instances have hosts of their own: no app's page shall run there. */
  readonly takesBrowsers: boolean;
}

/** Whoever came may go on to the instance. */
export interface Admission {
  /** Without the link's token. */
  readonly target: string;
  /** The app's own; undefined where there was none, or only ours. */
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  /** Came by a link: gets a cookie with this session, unless it has one already. */
  readonly link: 'none' | 'known' | { readonly session: string };
}

/** Throws token_required, cross_origin_refused, api_key_refused. */
export async function admit(deps: AdmitDeps, knock: Knock): Promise<Admission> {
  const { claim, request } = knock;
  const { token: linkToken, target } = takeLinkToken(knock.target);
  const { sessions, rest: cookie } = splitCookies(request.headers.cookie);
  const { authorization } = request.headers;
  const ownBearer = bearerOf(authorization);
  const headerToken = [request.headers['thaw-token']].flat()[0] ?? ownBearer;
  const passed = { target, cookie, authorization: ownBearer === undefined ? authorization : undefined };
  const hasSession = async () => knock.takesBrowsers && (await hasAnySession(deps.tokens, claim, sessions));
  if (headerToken !== undefined) {
    if (!(await deps.tokens.redeem(claim, headerToken))) throw tokenRequired(knock, 'the token is not good for it, or no more');
    await refuseApiKey(deps, passed.authorization);
    return { ...passed, link: 'none' };
  }
  if (linkToken !== undefined && knock.takesBrowsers) {
    if (await deps.tokens.redeem(claim, linkToken)) return { ...passed, link: { session: await deps.tokens.openSession(claim) } };
    if (await hasSession()) return { ...passed, link: 'known' }; // the link was opened again in the same browser
    throw tokenRequired(knock, 'the link was used before, or its time is over');
  }
  if (!(await hasSession())) throw tokenRequired(knock, 'the request carries no token');
  refuseOtherOrigins(knock);
  await refuseApiKey(deps, authorization);
  return { ...passed, link: 'none' };
}

async function hasAnySession(tokens: GatewayTokens, claim: string, sessions: readonly string[]): Promise<boolean> {
  for (const session of sessions) if (await tokens.hasSession(claim, session)) return true;
  return false;
}

/** A bearer token of the gateway; the app's own is none. */
function bearerOf(authorization: string | undefined): string | undefined {
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return token !== undefined && isGatewayToken(token) ? token : undefined;
}

/**
 * A browser sends cookies along wherever a request comes from; hosts of one domain are one site, so that SameSite does not keep one
 * instance's page from another instance. Whoever sends neither Origin nor Sec-Fetch-Site is no browser.
 */
function refuseOtherOrigins({ request, host }: Knock): void {
  const { origin, upgrade } = request.headers;
  if (isSafeMethod(request.method) && upgrade === undefined) return;
  const site = request.headers['sec-fetch-site'];
  const isOwn =
    origin === undefined ? site === undefined || site === 'same-origin' || site === 'none' : hostOf(origin) === host.toLowerCase();
  if (isOwn) return;
  throw new ThawError('cross_origin_refused', `${request.method} from ${origin ?? `a ${site} page`} to ${host} with a cookie is refused`, {
    fix: "Send it from the instance's own page; or, from a program, with a token in the header Thaw-Token.",
  });
}

/** Without the port that the protocol implies, as in the Host header. Of `null` and what is no origin: empty. */
function hostOf(origin: string): string {
  return URL.parse(origin)?.host ?? '';
}

/** An instance is a tenant's: a key that commands Thaw is never shown to it. */
async function refuseApiKey(deps: AdmitDeps, authorization: string | undefined): Promise<void> {
  if (authorization === undefined) return;
  for (const secret of secretsOf(authorization)) {
    if (!(await deps.isApiKey(secret))) continue;
    throw new ThawError('api_key_refused', 'the Authorization header holds an API key of Thaw, which no instance may see', {
      fix: 'Send the token of POST /v1/claims/{claim}/tokens instead, and keep the key to the API.',
    });
  }
}

/** Whatever the scheme; user name and password of Basic apart. */
function secretsOf(authorization: string): string[] {
  const [scheme = '', ...rest] = authorization.trim().split(/\s+/);
  const parts =
    scheme.toLowerCase() === 'basic'
      ? Buffer.from(rest[0] ?? '', 'base64')
          .toString()
          .split(':')
      : [];
  return [scheme, ...rest, ...parts].filter((part) => part.length >= 16);
}

function tokenRequired({ claim, request, takesBrowsers }: Knock, why: string): ThawError {
  const isBrowser = takesBrowsers && request.headers.accept?.includes('text/html');
  return new ThawError('token_required', `claim ${claim} is not open to this request: ${why}`, {
    fix: isBrowser
      ? 'Ask whoever gave you the link for a new one.'
      : 'Make a token with POST /v1/claims/{claim}/tokens and send it as `Thaw-Token: TOKEN`, or open its `url`.',
  });
}
