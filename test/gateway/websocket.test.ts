import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openSocket } from './ask.ts';
import { type House, openHouse } from './house.ts';

const accepted = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat\r\n\r\n';

let house: House;
let far: Socket | undefined;
afterEach(() => house[Symbol.asyncDispose]());

async function open(onUpgrade: (socket: Socket, head: Buffer) => void): Promise<void> {
  far = undefined;
  house = await openHouse(refuse, {
    onUpgrade: (socket, head) => {
      far = socket;
      socket.on('error', () => {});
      socket.write(accepted);
      onUpgrade(socket, head);
    },
  });
}

function refuse(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(418, { 'X-Why': 'no' }).end('no WebSocket here');
}

const connect = () => openSocket({ port: house.port, path: `${house.path}/chat`, headers: { 'Thaw-Token': house.token } });

describe('a WebSocket', () => {
  it('carries large messages both ways, whole and in order', async () => {
    await open((socket) => socket.pipe(socket));
    const { status, socket } = await connect();
    expect(status).toBe(101);
    const sent = Buffer.alloc(16 * 2 ** 20, 'all the words of a long message ');
    const received = buffer(socket);
    socket.end(sent);
    expect(sha(await received)).toBe(sha(sent));
  });

  it('holds the sender back when the receiver is slow, in both directions', async () => {
    let farSent = 0;
    await open((socket) => {
      socket.pause();
      pour(socket, (bytes) => {
        farSent += bytes;
      });
    });
    const { socket } = await connect();
    socket.pause();
    let nearSent = 0;
    pour(socket, (bytes) => {
      nearSent += bytes;
    });
    await settled(() => farSent + nearSent);
    expect(farSent).toBeLessThan(40 * 2 ** 20);
    expect(nearSent).toBeLessThan(40 * 2 ** 20);
    socket.destroy();
  });

  it('ends at the instance when the client goes, and at the client when the instance goes', async () => {
    await open((socket) => socket.resume().on('end', () => socket.end()));
    const first = await connect();
    const farEnded = vi.fn();
    far?.once('close', farEnded);
    first.socket.destroy();
    await vi.waitFor(() => expect(farEnded).toHaveBeenCalled());
    const second = await connect();
    const rest = text(second.socket);
    far?.end('the last words');
    expect(await rest).toBe('the last words');
  });

  it('that the instance refuses is refused as it says', async () => {
    house = await openHouse(refuse);
    const { status, socket } = await connect();
    socket.destroy();
    expect(status).toBe(418);
  });

  it('to a port where nobody listens is a 502', async () => {
    house = await openHouse(refuse);
    const { status, socket } = await openSocket({
      port: house.port,
      path: `/i/${house.claim}/shut/`,
      headers: { 'Thaw-Token': house.token },
    });
    socket.destroy();
    expect(status).toBe(502);
  });

  it('of a browser opens by a link, whose token the instance does not see', async () => {
    let seen = '';
    house = await openHouse(refuse, {
      onUpgrade: (socket, _head, request) => {
        seen = `${request.url}`;
        const key = request.headers['sec-websocket-key'];
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(`HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
        socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')])); // one text frame
      },
    });
    const token = await house.tokens.mint(house.claim, 'once', 60_000);
    const client = new WebSocket(`ws://127.0.0.1:${house.port}${house.path}/chat?room=1&thaw_token=${token}`);
    const message = await new Promise((resolve, reject) => {
      client.addEventListener('message', ({ data }) => resolve(data), { once: true });
      client.addEventListener('error', reject, { once: true });
    });
    expect({ message, seen }).toEqual({ message: 'hello', seen: '/chat?room=1' });
    client.close();
  });
});

describe('when the claim ends', () => {
  it('its WebSockets and streams are cut within about a second, and new ones refused', async () => {
    await open((socket) => socket.resume().on('end', () => socket.end()));
    const { socket } = await connect();
    const startedAt = performance.now();
    const gone = new Promise((resolve) => socket.once('close', resolve).on('error', () => {}));
    house.endClaim('released');
    await gone;
    expect(performance.now() - startedAt).toBeLessThan(1500);
    expect((await connect()).status).toBe(410);
    await vi.waitFor(() => expect(house.sockets.size).toBe(0));
  });
});

describe('the use of a claim', () => {
  it('is told while bytes flow, at most once a second, and not while a WebSocket is silent', async () => {
    await open((socket) => socket.pipe(socket));
    const { socket } = await connect();
    socket.resume();
    await vi.waitFor(() => expect(house.touched.length).toBe(1), { timeout: 2000 });
    await delay(1200); // longer than it takes to notice
    const before = house.touched.length;
    await delay(1200);
    expect(house.touched.length).toBe(before);
    socket.write('ping');
    await vi.waitFor(() => expect(house.touched.length).toBe(before + 1), { timeout: 2000 });
    socket.destroy();
  });
});

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Writes up to 64 MB, as fast as the socket takes it. */
function pour(socket: Socket, count: (bytes: number) => void): void {
  const chunk = Buffer.alloc(64 * 1024);
  let left = 1024;
  const more = () => {
    while (left-- > 0) {
      count(chunk.length);
      if (!socket.write(chunk)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** Waits until a figure no longer changes. */
async function settled(read: () => number): Promise<void> {
  for (let last = -1; last !== read(); ) {
    last = read();
    await delay(300);
  }
}
