import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { InstanceAccess } from '#src/engine/engine.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import type { Logger } from '#src/platform/log.ts';
import { BindCall, type BindReply, bindStreamPath, bindStreamProtocol } from './agent-protocol.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';

interface StreamDeps {
  readonly engine: Pick<InstanceAccess, 'bind'>;
  readonly log: Pick<Logger, 'error'>;
  isAllowed(request: IncomingMessage): boolean;
}

/** The agent's side of bind-stream.ts. Answers the calls of one connection in the order in which they are done. */
export function serveBindStreams(server: Server, deps: StreamDeps): { closeAll(): void } {
  const streams = new Set<Duplex>();
  server.on('upgrade', (request, socket) => {
    const refusal = !deps.isAllowed(request) ? '401 Unauthorized' : isBindStream(request) ? undefined : '404 Not Found';
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    streams.add(socket);
    socket.once('close', () => streams.delete(socket));
    socket.once('end', () => socket.end()); // sockets of an HTTP server stay half open by themselves
    socket.on('error', () => {}); // told by 'close'
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${bindStreamProtocol}\r\n\r\n`);
    readJsonLines(socket, (message) => void answer(deps, socket, message));
  });
  return {
    closeAll: () => {
      for (const socket of streams) socket.destroy();
    },
  };
}

async function answer({ engine, log }: StreamDeps, socket: Duplex, message: unknown): Promise<void> {
  const parsed = BindCall.safeParse(message);
  if (!parsed.success) {
    // The refusal names the fields only: what stands in them may be secret.
    const fields = parsed.error.issues.map((issue) => issue.path.slice(0, 2).join('.')).join(', ');
    const failure = describeFailure(new ThawError('validation_failed', `a bind does not fit its schema in ${fields}`));
    const call = Number(typeof message === 'object' && message !== null && 'call' in message ? message.call : 0);
    writeReply(socket, { call, failure });
    return;
  }
  const { call, instance, binding } = parsed.data;
  try {
    writeReply(socket, { call, bound: await engine.bind(instance, binding) });
  } catch (error) {
    const failure = describeFailure(error);
    if (failure.code === 'internal') log.error({ err: error, instance }, 'a bug ended a bind');
    writeReply(socket, { call, failure });
  }
}

function writeReply(socket: Duplex, reply: BindReply): void {
  writeJsonLine(socket, reply);
}

function isBindStream(request: IncomingMessage): boolean {
  return request.url === bindStreamPath && request.headers.upgrade?.toLowerCase() === bindStreamProtocol;
}
