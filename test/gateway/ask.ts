import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Ask {
  readonly port: number;
  readonly path: string;
  readonly method?: string;
  /** As they are written; no other is added but Connection. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Said {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request as node:http sends it, on a connection of its own; fetch would not let a test choose Host and Cookie. */
export async function ask(what: Ask): Promise<Said> {
  const answer = await begin(what);
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: await text(answer) };
}

/** As `ask`, but answers when the headers are there. */
export async function begin({ port, path, method = 'GET', headers = {}, body }: Ask): Promise<IncomingMessage> {
  const sending = request({ host: '127.0.0.1', port, path, method, headers: { Host: `127.0.0.1:${port}`, ...headers }, agent: false });
  sending.end(body);
  return new Promise((resolve, reject) => sending.once('response', resolve).once('error', reject));
}

/** What a server says to these bytes until it closes the connection. */
export async function askRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(bytes);
  return text(socket);
}

/** Opens a WebSocket as far as HTTP goes; what follows are bare bytes. A refusal is a status. */
export async function openSocket({ port, path, headers = {} }: Ask): Promise<{ readonly status: number; readonly socket: Socket }> {
  const opening = {
    ...{ Host: `127.0.0.1:${port}`, Connection: 'Upgrade', Upgrade: 'websocket' },
    ...{ 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
  };
  const sending = request({ host: '127.0.0.1', port, path, headers: opening, agent: false });
  sending.end();
  return new Promise((resolve, reject) => {
    sending.on('error', reject);
    sending.on('upgrade', (_answer, socket: Socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ status: 101, socket });
    });
    sending.on('response', (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, socket: answer.socket });
    });
  });
}
