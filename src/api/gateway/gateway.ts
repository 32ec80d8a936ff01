import { randomUUID } from 'node:crypto';
import { type IncomingMessage, ServerResponse } from 'node:http';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import { redisUnavailable } from '#src/platform/http/on-error.ts';
import type { Client, ReadClient } from '#src/platform/http/read-client.ts';
import { isRedisGone } from '#src/platform/redis.ts';
import { type Admission, type AdmitDeps, admit } from './admit.ts';
import { answerFailure } from './answer-failure.ts';
import { requestHeaders } from './forward-headers.ts';
import { type Forwarding, forwardRequest } from './forward-request.ts';
import { forwardUpgrade } from './forward-upgrade.ts';
import { createAddressReader, type GatewayAddress } from './gateway-address.ts';
import { LiveClaims, type LiveClaimsDeps } from './live-claims.ts';
import { findPort, refuseHooks } from './read-target.ts';
import { sessionCookie } from './session-cookie.ts';

export interface GatewayDeps extends AdmitDeps, Omit<LiveClaimsDeps, 'silenceMs'> {
  readonly domain: string | undefined;
  readonly clientOf: ReadClient;
  /** See LiveClaimsDeps; 5 min when absent. */
  readonly silenceMs?: number;
}

const usualSilenceMs = 300_000;

/** What stands between the world and the instances: passes on what comes with a claim's token, and nothing else. */
export interface Gateway extends Disposable {
  /** Undefined: the request is the API's own. */
  addressOf(request: IncomingMessage): GatewayAddress | undefined;
  handle(address: GatewayAddress, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Of a WebSocket. `head`: what came right after the request. */
  upgrade(address: GatewayAddress, request: IncomingMessage, head: Buffer): Promise<void>;
}

export function openGateway(deps: GatewayDeps): Gateway {
  const { domain, clientOf, log, silenceMs = usualSilenceMs } = deps;
  const claims = new LiveClaims({ ...deps, silenceMs });
  const readAddress = createAddressReader(domain);
  const open = async (address: GatewayAddress, request: IncomingMessage, isUpgrade: boolean) => {
    const client = clientOf(request);
    const live = await claims.find(address.claim);
    const port = findPort(live.target, address.port);
    const target = checkedTarget(address);
    const takesBrowsers = address.prefix === '' || domain === undefined;
    const admission = await admit(deps, { request, claim: address.claim, target, host: client.host, takesBrowsers });
    refuseHooks(live.target, port, admission.target);
    const forwarding: Forwarding = {
      ...{ live, port, silenceMs, isSharedHost: address.prefix !== '' },
      method: request.method ?? 'GET',
      path: withRoot(admission.target),
      headers: requestHeaders({ request, client, admission, prefix: address.prefix }, isUpgrade),
      confirm: () => claims.confirm(address.claim),
    };
    return { client, admission, forwarding };
  };
  return {
    addressOf: (request) => readAddress(domain === undefined ? '' : clientOf(request).host, request.url ?? ''),
    handle: async (address, request, response) => {
      try {
        const { client, admission, forwarding } = await open(address, request, false);
        if (!redirect(address, client, admission, request, response)) forwardRequest(forwarding, request, response);
      } catch (error) {
        answerError(log, error, request, response);
      }
    },
    upgrade: async (address, request, head) => {
      const response = responseOn(request);
      try {
        forwardUpgrade((await open(address, request, true)).forwarding, { request, head, response });
      } catch (error) {
        answerError(log, error, request, response);
      }
    },
    [Symbol.dispose]: () => claims[Symbol.dispose](),
  };
}

/** An absolute form would let the app see another host than the one that was checked; a `#` would hide what follows it from some. */
function checkedTarget({ prefix, target }: GatewayAddress): string {
  if (!target.includes('#') && (target.startsWith('/') || (prefix !== '' && (target === '' || target.startsWith('?'))))) return target;
  throw new ThawError('request_target_invalid', 'the request target must begin with / and hold no #', {
    fix: 'Send the path and the query.',
  });
}

/**
 * Takes the token out of what a browser shows, keeps and sends on as Referer; and gives the root of a path address the slash that relative
 * links count from. Answers whether it did. What can not be redirected passes with the token taken out.
 */
function redirect(
  { prefix, target }: GatewayAddress,
  { protocol }: Client,
  admission: Admission,
  { method, headers }: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const isBareRoot = !target.startsWith('/') && headers.accept?.includes('text/html') === true;
  if (admission.link === 'none' && !isBareRoot) return false;
  const location = withRoot(admission.target);
  const isSecure = protocol === 'https';
  response.writeHead(303, {
    // `//host/…` would lead elsewhere: the first slash of it is said as a dot segment, which a browser takes out
    Location: prefix === '' ? location.replace(/^\/(?=[/\\])/, '/.') : `${prefix}${location}`,
    ...(typeof admission.link === 'string' ? {} : { 'Set-Cookie': sessionCookie(admission.link.session, { prefix, isSecure }) }),
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'Content-Length': 0,
  });
  response.end();
  return true;
}

/** Below a path address the target may be a query alone, or nothing. */
function withRoot(target: string): string {
  return target.startsWith('/') ? target : `/${target}`;
}

/** node:http leaves an upgraded socket to us: this answers on it once more as to any request, and closes it. */
function responseOn(request: IncomingMessage): ServerResponse {
  const { socket } = request;
  socket.on('error', () => socket.destroy());
  socket.setTimeout(0);
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.end());
  return response;
}

function answerError(log: GatewayDeps['log'], error: unknown, request: IncomingMessage, response: ServerResponse): void {
  if (isThawError(error)) answerFailure(request, response, error);
  else if (isRedisGone(error)) answerFailure(request, response, redisUnavailable(error));
  else {
    const requestId = randomUUID();
    log.error({ err: error, requestId }, 'a bug ended a request to an instance');
    const message = `a bug in Thaw ended this request; its log line has the request id ${requestId}`;
    answerFailure(request, response, new ThawError('internal', message, { fix: 'Report it with that request id.' }), requestId);
  }
}
