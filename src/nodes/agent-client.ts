import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import type { Binding, BoundInstance, InstanceStats } from '#src/engine/engine.ts';
import { isThawError, messageOf, ThawError } from '#src/platform/errors.ts';
import { Failure, thawErrorOf } from '#src/platform/failure.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { LogsAnswer, StatsAnswer } from './agent-protocol.ts';
import { openBindStream } from './bind-stream.ts';

/** What the API asks of a node. Failures are ThawErrors: the node's own, or node_unreachable. */
export interface AgentClient {
  /**
   * Can be repeated for the same claim: one that exceeded `timeoutMs` may be still at the hook, which a repeated one waits for and does
   * not call again.
   */
  bind(id: InstanceId, binding: Binding, timeoutMs: number): Promise<BoundInstance>;
  logs(id: InstanceId, maxBytes: number): Promise<string>;
  stats(id: InstanceId): Promise<InstanceStats>;
  /** Answers when the agent does, within a second. */
  ping(): Promise<void>;
  close(): void;
}

const readTimeoutMs = 5000;
const pingTimeoutMs = 1000;

/** `address`: `unix:/path` or `http://host:port`; the token is needed for the latter. Connects when first used. */
export function connectAgent(address: string, token?: string): AgentClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 60_000 });
  const target: RequestOptions = { agent, ...endpointOf(address) };
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const binds = openBindStream({ ...target, headers });
  const ask = (call: AgentCall) => askAgent({ ...target, headers }, address, call);
  return {
    bind: (id, binding, timeoutMs) =>
      binds.bind(id, binding, timeoutMs).catch((error: unknown) => {
        throw isThawError(error) ? error : unreachable(address, `bind ${id}`, error);
      }),
    logs: async (id, maxBytes) => {
      const path = `/instances/${id}/logs?maxBytes=${maxBytes}`;
      return LogsAnswer.parse(await ask({ path, timeoutMs: readTimeoutMs })).logs;
    },
    stats: async (id) => StatsAnswer.parse(await ask({ path: `/instances/${id}/stats`, timeoutMs: readTimeoutMs })),
    ping: async () => void (await ask({ path: '/healthz', timeoutMs: pingTimeoutMs })),
    close: () => {
      binds.close();
      agent.destroy();
    },
  };
}

interface AgentCall {
  readonly path: string;
  readonly timeoutMs: number;
}

function endpointOf(address: string): RequestOptions {
  if (address.startsWith('unix:')) return { socketPath: address.slice('unix:'.length) };
  const { hostname, port } = new URL(address);
  return { host: hostname, port };
}

async function askAgent(target: RequestOptions, address: string, call: AgentCall): Promise<unknown> {
  const { status, text } = await send(target, call, true).catch((error: unknown) => {
    throw unreachable(address, call.path, error);
  });
  if (status === 200) return JSON.parse(text);
  const failure = Failure.safeParse(parseJson(text));
  if (!failure.success) throw new ThawError('node_unreachable', `the node agent at ${address} answered ${status} to ${call.path}`);
  throw thawErrorOf(failure.data);
}

function unreachable(address: string, what: string, error: unknown): ThawError {
  return new ThawError('node_unreachable', `the node agent at ${address} did not answer ${what}: ${messageOf(error)}`, {
    fix: 'See whether the agent of that node runs; `thaw up` starts it.',
    retryAfterMs: 1000,
    cause: error,
  });
}

/** Every call can be repeated, so one that met a connection which the agent was just closing is sent once more. */
function send(target: RequestOptions, call: AgentCall, mayRepeat: boolean): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(call.timeoutMs);
    const sent = request({ ...target, path: call.path, signal });
    sent.once('response', (response) => readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject));
    sent.once('error', (error) => {
      if (signal.aborted) reject(new Error(`exceeded ${call.timeoutMs} ms`, { cause: error }));
      else if (mayRepeat && sent.reusedSocket) resolve(send(target, call, false));
      else reject(error);
    });
    sent.end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
