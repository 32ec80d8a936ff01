import { createConnection } from 'node:net';

interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/**
 * The last value that the statements answer, as text, over a connection of its own as the user postgres without a password.
 * Only what that takes of PostgreSQL's protocol 3.0 (its documentation, "Frontend/Backend Protocol").
 */
export async function queryPostgres(server: PostgresServer, sql: string): Promise<string> {
  const socket = createConnection({ host: server.host, port: server.port, signal: AbortSignal.timeout(server.timeoutMs) });
  try {
    socket.write(startup());
    let answer = '';
    let isSent = false;
    for await (const { type, body } of readMessages(socket)) {
      if (type === 'E') throw new Error(`PostgreSQL says ${body.toString('utf8').replaceAll('\0', ' ')}`);
      if (type === 'D') answer = body.subarray(6).toString('utf8'); // one column: its count and length come before it
      if (type !== 'Z') continue;
      if (isSent) return answer;
      socket.write(frame('Q', `${sql}\0`));
      isSent = true;
    }
    throw new Error('PostgreSQL closed the connection');
  } finally {
    socket.destroy();
  }
}

function startup(): Buffer {
  const body = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from('user\0postgres\0\0')]);
  return frame('', body);
}

function frame(type: string, body: Buffer | string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(Buffer.byteLength(body) + 4);
  return Buffer.concat([Buffer.from(type), length, Buffer.from(body)]);
}

async function* readMessages(stream: AsyncIterable<Buffer>): AsyncGenerator<{ type: string; body: Buffer }> {
  let pending = Buffer.alloc(0);
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length > pending.readInt32BE(1)) {
      const end = pending.readInt32BE(1) + 1;
      yield { type: pending.toString('latin1', 0, 1), body: pending.subarray(5, end) };
      pending = pending.subarray(end);
    }
  }
}
