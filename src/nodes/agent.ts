import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';
import type { InstanceAccess } from '#src/engine/engine.ts';
import type { Config } from '#src/platform/config.ts';
import { describeFailure, problems, ThawError } from '#src/platform/errors.ts';
import { InstanceId } from '#src/platform/ids.ts';
import { listenAt } from '#src/platform/listen-at.ts';
import type { Logger } from '#src/platform/log.ts';
import { maxLogBytes } from './agent-protocol.ts';
import { serveBindStreams } from './serve-bind-stream.ts';

export interface AgentDeps {
  readonly engine: InstanceAccess;
  readonly log: Pick<Logger, 'error'>;
}

/** A unix socket is guarded by its file mode; a TCP address must have a token. */
export type AgentListen = { readonly socket: string } | { readonly host: string; readonly port: number; readonly token: string };

export interface Agent {
  /** As agent-client.ts takes it: `unix:/path` or `http://host:port`. */
  readonly address: string;
  close(): Promise<void>;
}

export function agentListen({ agentListen, paths }: Pick<Config, 'agentListen' | 'paths'>): AgentListen {
  return agentListen ?? { socket: paths.agentSocket };
}

/** Where an agent that listens there is reached, in the form of agent-client.ts. */
export function agentAddress(listen: AgentListen): string {
  return 'socket' in listen ? `unix:${listen.socket}` : `http://${listen.host}:${listen.port}`;
}

/**
 * The one door of a node: what the API may ask of instances directly, because a queue would be too slow (claims) or may not
 * see it (secrets, law 8). Bodies are never logged.
 */
export async function serveAgent(deps: AgentDeps, listen: AgentListen): Promise<Agent> {
  const token = 'token' in listen ? listen.token : undefined;
  const server = createServer({ keepAliveTimeout: 75_000 }, getRequestListener(agentApp(deps, token).fetch));
  const streams = serveBindStreams(server, { ...deps, isAllowed: ({ headers }) => isAllowed(headers.authorization, token) });
  if ('socket' in listen) {
    await rm(listen.socket, { force: true }); // left by one that was killed; the data directory's lock keeps a second one away
    server.listen(listen.socket);
    await once(server, 'listening');
    await chmod(listen.socket, 0o600);
  } else await listenAt(server, listen, { host: 'THAW_AGENT_LISTEN', port: 'THAW_AGENT_LISTEN' });
  const bound = server.address();
  const address = typeof bound === 'object' && bound ? `http://${bound.address}:${bound.port}` : `unix:${bound}`;
  return {
    address,
    close: async () => {
      server.close();
      server.closeAllConnections();
      streams.closeAll();
      await once(server, 'close');
    },
  };
}

function agentApp({ engine, log }: AgentDeps, token: string | undefined): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    const failure = describeFailure(error);
    if (failure.code === 'internal') log.error({ err: error, path: c.req.path }, 'a bug ended a request to the node agent');
    return c.json(failure, problems[failure.code].status satisfies ContentfulStatusCode);
  });
  app.notFound((c) => c.json(describeFailure(new ThawError('not_found', `the node agent has no ${c.req.method} ${c.req.path}`)), 404));
  app.use(async (c, next) => {
    if (!isAllowed(c.req.header('authorization'), token)) {
      throw new ThawError('unauthenticated', 'the node agent was called without its token');
    }
    await next();
  });
  app.get('/healthz', (c) => c.json({ ok: true }));
  app.get('/instances/:id/logs', async (c) => {
    const maxBytes = parse(z.coerce.number().int().min(1).max(maxLogBytes), c.req.query('maxBytes'));
    return c.json({ logs: await engine.logs(instanceOf(c.req.param('id')), maxBytes) });
  });
  app.get('/instances/:id/stats', async (c) => c.json(await engine.stats(instanceOf(c.req.param('id')))));
  return app;
}

function instanceOf(id: string): InstanceId {
  return parse(InstanceId, id);
}

/** The refusal names the fields only: what stands in them may be secret. */
function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.slice(0, 1).join('.') || 'value');
  throw new ThawError('validation_failed', `a request to the node agent does not fit its schema in ${fields.join(', ')}`);
}

function isAllowed(header: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return true;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}
