import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { AppEnv } from '#src/platform/http/access.ts';
import type { Logger } from '#src/platform/log.ts';
import type { Gateway } from './gateway/gateway.ts';
import { refuseUnreadable } from './refuse-unreadable.ts';
import { followTlsFiles, readTlsPair, type TlsPaths } from './tls-files.ts';

export interface ServerParts {
  readonly app: Pick<OpenAPIHono<AppEnv>, 'fetch'>;
  readonly gateway: Gateway;
  readonly log: Pick<Logger, 'info' | 'error'>;
}

export interface ApiServer {
  readonly server: Server;
  /** Requests under way are answered if that takes no longer; WebSockets and streams of instances end. */
  close(withinMs: number): Promise<void>;
}

/** A client that takes longer to send its headers is no client. */
const headersMs = 20_000;
/** A connection on which nothing moved for so long is closed, unless an instance has it. */
const idleMs = 120_000;
const keepAliveProbeMs = 30_000;

/** One server for the API and the gateway, which takes what is for an instance before the app sees it. Nothing listens yet. Throws node_unfit for TLS files that can not be used. */
export async function openServer({ app, gateway, log }: ServerParts, tls: TlsPaths | undefined): Promise<ApiServer> {
  const pair = tls && (await readTlsPair(tls));
  const options: ServerOptions = {
    headersTimeout: headersMs,
    requestTimeout: 0, // an upload to an instance takes what it takes; one that stands still ends by `idleMs`
    keepAlive: true, // clients that vanished without a word are noticed
    keepAliveInitialDelay: keepAliveProbeMs,
    shouldUpgradeCallback: (request) => isWebSocket(request) && gateway.addressOf(request) !== undefined,
  };
  const server = pair ? createTlsServer({ ...options, ...pair }) : createServer(options);
  server.timeout = idleMs;
  const answerApi = getRequestListener(app.fetch);
  const answer: RequestListener = (request, response) => {
    const address = gateway.addressOf(request);
    if (address === undefined) answerApi(request, response);
    else void gateway.handle(address, request, response);
  };
  server.on('request', answer);
  server.on('clientError', refuseUnreadable);
  server.on('checkContinue', (request, response) => {
    if (gateway.addressOf(request) === undefined) response.writeContinue(); // an instance says itself whether it wants the body
    answer(request, response);
  });
  server.on('upgrade', (request: IncomingMessage, _socket: unknown, head: Buffer) => {
    const address = gateway.addressOf(request);
    if (address !== undefined) void gateway.upgrade(address, request, head);
  });
  const unfollow = tls && pair && 'setSecureContext' in server ? followTlsFiles(server, tls, pair, log) : undefined;
  return {
    server,
    close: async (withinMs) => {
      unfollow?.();
      server.close();
      server.closeIdleConnections();
      gateway[Symbol.dispose]();
      await Promise.race([once(server, 'close'), new Promise((resolve) => setTimeout(resolve, withinMs).unref())]);
    },
  };
}

/** Other upgrades (`h2c`, which some clients offer with every request) are left out, as HTTP allows. */
function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}
