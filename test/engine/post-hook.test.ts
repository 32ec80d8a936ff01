import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { postHook } from '#src/engine/criu/post-hook.ts';

const open: Server[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

/** Whoever answers a hook may be no web server at all. */
async function answering(answer: (socket: Socket) => void): Promise<string | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has no port');
  const post = { token: 't', body: '{}', timeoutMs: 300, signal: undefined };
  return postHook({ host: '127.0.0.1', port: address.port, path: '/hook' }, post);
}

const head = (status: number, rest = '') => `HTTP/1.1 ${status} whatever\r\n${rest}\r\n`;

it.each([
  ['200', (socket: Socket) => socket.end(head(200)), undefined],
  ['204 on a connection that stays open', (socket: Socket) => socket.write(head(204)), undefined],
  ['200 and a body without end', (socket: Socket) => socket.write(`${head(200, 'content-length: 10\r\n')}abc`), undefined],
  ['a redirect', (socket: Socket) => socket.end(head(302, 'location: /secret\r\n')), 'was answered with 302'],
  ['500', (socket: Socket) => socket.end(`${head(500)}secret`), 'was answered with 500'],
  ['no HTTP', (socket: Socket) => socket.end('secret secret\r\n\r\n'), 'failed (HPE_INVALID_CONSTANT)'],
  ['an upgrade', (socket: Socket) => socket.write(head(101, 'connection: upgrade\r\nupgrade: x\r\n')), 'was answered with 101'],
  ['nothing, and ends', (socket: Socket) => socket.end(), 'failed (ECONNRESET)'],
  ['nothing at all', () => {}, 'exceeded 300 ms'],
])('a hook answered with %s', async (_what, answer, outcome) => {
  expect(await answering(answer)).toEqual(outcome);
});
