import { connect, createServer, type Socket } from 'node:net';

/** A port before another one. While it is shut, who connects is heard by nobody, and waits. */
export interface Gate extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** How many wait. */
  waiting(): number;
  open(): void;
  shut(): void;
}

export async function openGate(target: string): Promise<Gate> {
  const [host, port] = target.split(':');
  const sockets = new Set<Socket>();
  const held = new Set<Socket>();
  let isOpen = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      held.delete(socket);
    });
    return socket;
  };
  const pass = (client: Socket) => {
    held.delete(client);
    const server = keep(connect(Number(port), host));
    client.pipe(server).pipe(client);
  };
  const gate = createServer((client) => {
    keep(client);
    if (isOpen) return pass(client);
    held.add(client);
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  const address = gate.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    waiting: () => held.size,
    open() {
      isOpen = true;
      for (const client of held) pass(client);
    },
    shut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy(); // also what was open: connections are kept alive
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        gate.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
