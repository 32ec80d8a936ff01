import { type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { answerFailure } from './answer-failure.ts';
import { responseHeaders } from './forward-headers.ts';
import type { Forwarding } from './forward-request.ts';
import { appSilent, upstreamFailure } from './upstream-failure.ts';

interface UpgradeRequest {
  readonly request: IncomingMessage;
  /** What the client sent right after its request. */
  readonly head: Buffer;
  /** On the client's socket: for an instance that refuses, and for failures. */
  readonly response: ServerResponse;
}

/**
 * Opens a WebSocket at the instance and joins it with the client's, byte for byte and with backpressure. It may be silent for as long as it
 * wants; it ends with either side or with the claim. Throws claim_busy and claim_gone; later failures are answered.
 */
export function forwardUpgrade(forwarding: Forwarding, { request, head, response }: UpgradeRequest): void {
  const { live, port, path, headers, isSharedHost, silenceMs } = forwarding;
  const { socket } = request;
  const upstream = openRequest({
    agent: false, // a connection of its own, which is never given back
    host: live.target.address,
    port: port.addressPort,
    path,
    headers,
    setHost: false,
    timeout: silenceMs,
  });
  const leave = live.enter({ socket, cut: () => socket.destroy(), giveUp: undefined });
  socket.once('close', () => {
    leave();
    upstream.destroy();
  });
  upstream.on('timeout', () => upstream.destroy(appSilent(forwarding, silenceMs)));
  upstream.on('error', (error) => answerFailure(request, response, upstreamFailure(forwarding, error)));
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', responseHeaders(answer, isSharedHost));
    answer.on('error', () => socket.destroy());
    answer.pipe(response);
  });
  upstream.on('upgrade', (answer, far, farHead) => {
    if (!(far instanceof Socket)) throw new Error('a connection over TCP has no socket');
    response.detachSocket(socket);
    socket.write(switching(responseHeaders(answer, isSharedHost)), 'latin1');
    join(socket, head, far, farHead);
  });
  upstream.end();
}

function switching(headers: readonly string[]): string {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** What either side has sent still reaches the other when it closes. */
function join(near: Socket, head: Buffer, far: Socket, farHead: Buffer): void {
  far.setTimeout(0);
  far.on('error', () => far.destroy());
  far.once('close', () => near.destroySoon());
  near.once('close', () => far.destroySoon());
  if (head.length > 0) far.write(head);
  if (farHead.length > 0) near.write(farHead);
  near.pipe(far);
  far.pipe(near);
}
