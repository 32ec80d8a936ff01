import { type ClientRequest, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import { isSafeMethod } from '#src/api/safe-method.ts';
import type { InstancePort } from '#src/instances/instance.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import { answerFailure, awaitsContinue } from './answer-failure.ts';
import { hasBody, responseHeaders, trailersOf } from './forward-headers.ts';
import type { Connection, LiveClaim } from './live-claim.ts';
import { appSilent, upstreamFailure } from './upstream-failure.ts';

export interface Forwarding {
  readonly live: LiveClaim;
  readonly port: InstancePort;
  readonly method: string;
  /** Path and query for the instance. */
  readonly path: string;
  /** Name, value, name, value, … */
  readonly headers: string[];
  readonly isSharedHost: boolean;
  /** The limit that a message names; LiveClaims keeps it. */
  readonly silenceMs: number;
  /** Looks whether the claim is still live; ends its connections where it is not. */
  confirm(): Promise<void>;
}

/**
 * Passes a request to the instance and its answer back, as both arrive: nothing is kept, and whoever reads slowly slows the other side down.
 * Either side's end is the other's. Throws claim_busy and claim_gone; later failures are answered.
 */
export function forwardRequest(forwarding: Forwarding, request: IncomingMessage, response: ServerResponse): void {
  const { live } = forwarding;
  let upstream: ClientRequest | undefined;
  const cut = (gone: ThawError) => {
    upstream?.destroy();
    answerFailure(request, response, gone);
  };
  const giveUp = () => upstream?.destroy(appSilent(forwarding, forwarding.silenceMs));
  const connection: Connection = { socket: request.socket, cut, giveUp };
  const leave = live.enter(connection);
  response.on('timeout', () => {}); // the server's timeout is for idle connections: this one rests for as long as the app wants
  response.once('close', () => {
    leave();
    if (!response.writableFinished) upstream?.destroy(); // the client is gone
  });
  let hasFailed = false;
  const fail = async (error: unknown): Promise<void> => {
    if (hasFailed || response.destroyed || live.hasEnded) return;
    hasFailed = true;
    if (!response.headersSent) await forwarding.confirm().catch(() => {}); // an instance given back fails before the next check
    if (response.destroyed || live.hasEnded) return;
    answerFailure(request, response, error instanceof ThawError ? error : upstreamFailure(forwarding, error));
  };
  const send = (isAgain: boolean): void => {
    const attempt = openUpstream(forwarding, isAgain);
    upstream = attempt;
    attempt.on('response', (answer) => {
      connection.giveUp = undefined;
      relay(answer, request, response, forwarding.isSharedHost, fail);
    });
    if (request.headers.expect !== undefined) attempt.on('continue', () => response.writeContinue());
    attempt.on('error', (error) => {
      if (!isAgain && isStaleConnection(attempt, error) && canRepeat(request, response)) send(true);
      else void fail(error);
    });
    attempt.on('close', () => {
      if (upstream !== attempt) return;
      if (!response.headersSent) void fail(new Error('it closed the connection'));
      if (!request.readableEnded) request.unpipe().resume(); // an app that is done with the request reads no more of it: nobody does
    });
    sendBody(request, attempt);
  };
  try {
    send(false);
  } catch (error) {
    void fail(error); // what node does not write: a path or header with forbidden characters
  }
}

function openUpstream({ live, port, method, path, headers }: Forwarding, isFresh: boolean): ClientRequest {
  return openRequest({
    agent: isFresh ? false : live.agent,
    host: live.target.address,
    port: port.addressPort,
    method,
    path,
    headers,
    setHost: false,
  });
}

function sendBody(request: IncomingMessage, upstream: ClientRequest): void {
  if (!hasBody(request)) {
    upstream.end();
    return;
  }
  upstream.flushHeaders(); // the app may judge by the headers before there is a body
  request.on('end', () => {
    if (request.rawTrailers.length > 0) upstream.addTrailers(trailersOf(request));
  });
  request.pipe(upstream);
}

function relay(
  answer: IncomingMessage,
  request: IncomingMessage,
  response: ServerResponse,
  isSharedHost: boolean,
  fail: (error: unknown) => Promise<void>,
): void {
  const headers = responseHeaders(answer, isSharedHost);
  if (awaitsContinue(request)) headers.push('Connection', 'close');
  try {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', headers);
  } catch (error) {
    answer.destroy();
    void fail(error);
    return;
  }
  let hasBegun = false;
  answer.on('data', (chunk) => {
    hasBegun = true;
    if (!response.write(chunk)) answer.pause();
  });
  response.on('drain', () => answer.resume());
  setImmediate(() => {
    if (!hasBegun && !response.writableEnded) response.flushHeaders(); // a stream that is still silent: its headers do not wait for the first byte
  });
  answer.on('end', () => {
    if (answer.rawTrailers.length > 0) response.addTrailers(trailersOf(answer));
    response.end();
  });
  answer.on('error', (error) => void fail(error)); // it ended in the middle
}

/** The app closed an idle connection in the same moment as it was used again. */
function isStaleConnection(upstream: ClientRequest, error: Error): boolean {
  return upstream.reusedSocket && isErrnoError(error, 'ECONNRESET', 'EPIPE');
}

function canRepeat(request: IncomingMessage, response: ServerResponse): boolean {
  return !response.headersSent && !hasBody(request) && isSafeMethod(request.method);
}
