import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { openGateway } from '#src/api/gateway/gateway.ts';
import { claimGone } from '#src/api/gateway/read-target.ts';
import { type GatewayTokens, openGatewayTokens } from '#src/api/gateway/tokens.ts';
import { openServer } from '#src/api/open-server.ts';
import type { EndReason } from '#src/claims/claim.ts';
import { claimNotFound } from '#src/claims/store.ts';
import { type Cidr, parseCidr } from '#src/platform/cidr.ts';
import { createClientReader } from '#src/platform/http/read-client.ts';
import { newRouter } from '#src/platform/http/router.ts';
import { type ClaimId, newClaimId, newInstanceId } from '#src/platform/ids.ts';
import { createLogger } from '#src/platform/log.ts';
import { startTestRedis } from '#test/support/redis.ts';

export const domain = 'thaw.localhost';
export const apiKey = 'thaw_an-api-key-that-is-live';

/** The gateway before one claim, whose instance is a plain server of a test's own. Its tokens are in a real Redis. */
export interface House extends AsyncDisposable {
  readonly port: number;
  readonly claim: ClaimId;
  readonly tokens: GatewayTokens;
  /** Claims that were told to be in use, again for each time. */
  readonly touched: string[];
  /** What the instance was asked by the API's own server, not through the gateway. */
  readonly askedOfApi: string[];
  /** A token for headers. */
  readonly token: string;
  /** `{port}--{claim}.{domain}`. */
  readonly host: string;
  /** `/i/{claim}/{port}`. */
  readonly path: string;
  /** Connections that the instance has now. */
  readonly sockets: ReadonlySet<Socket>;
  endClaim(reason: EndReason): void;
}

export interface HouseOptions {
  readonly domain?: string;
  readonly trustedProxies?: readonly string[];
  readonly silenceMs?: number;
  /** What the instance does with a WebSocket: all of it, from the first answer on. */
  readonly onUpgrade?: (socket: Socket, head: Buffer, request: IncomingMessage) => void;
}

export async function openHouse(app: RequestListener, options: HouseOptions = {}): Promise<House> {
  const redis = await startTestRedis();
  const instance = createServer(app);
  const sockets = new Set<Socket>();
  instance.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const { onUpgrade } = options;
  if (onUpgrade) instance.on('upgrade', (request, socket: Socket, head) => onUpgrade(socket, head, request));
  await listen(instance);
  const claim = newClaimId();
  const ports = [
    { name: 'web', port: 8080, addressPort: portOf(instance), protocol: 'http' as const },
    { name: 'shut', port: 8081, addressPort: 1, protocol: 'http' as const },
    { name: 'db', port: 5432, addressPort: portOf(instance), protocol: 'tcp' as const },
  ];
  const target = { ...{ claim, ports, tenant: 'acme', instance: newInstanceId(), address: '127.0.0.1', leaseLeftMs: 60_000 } };
  const hooks = { hooks: undefined, unique: { http: { port: 8080, path: '/internal/unique' } } };
  let ended: EndReason | undefined;
  const touched: string[] = [];
  const tokens = openGatewayTokens(redis.redis);
  const log = createLogger('error', 'test');
  const gateway = openGateway({
    ...{ log, tokens, domain: options.domain },
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    clientOf: createClientReader((options.trustedProxies ?? []).map(cidr)),
    read: async (id) => {
      if (id !== claim) throw claimNotFound(id);
      if (ended !== undefined) throw claimGone(id, ended);
      return { ...target, hooks };
    },
    readLeases: async () => new Map(ended === undefined ? [[claim, 60_000]] : []),
    touchClaim: async (id) => {
      touched.push(id);
    },
    isApiKey: async (text) => text === apiKey,
  });
  const askedOfApi: string[] = [];
  const api = newRouter();
  api.all('*', (c) => {
    askedOfApi.push(`${c.req.method} ${c.req.path}`);
    return c.text('the API');
  });
  const { server, close } = await openServer({ app: api, gateway, log }, undefined);
  await listen(server);
  return {
    ...{ claim, tokens, touched, askedOfApi, sockets },
    port: portOf(server),
    token: await tokens.mint(claim, 'reusable', 60_000),
    host: `8080--${claim}.${domain}`,
    path: `/i/${claim}/8080`,
    endClaim: (reason) => {
      ended = reason;
    },
    [Symbol.asyncDispose]: async () => {
      await close(1000);
      instance.closeAllConnections();
      instance.close();
      await redis.stop();
    },
  };
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no network`);
  return parsed;
}

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has a port');
  return address.port;
}
