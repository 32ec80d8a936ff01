import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createListener, type Server, type Socket } from 'node:net';
import { ThawError } from '#src/platform/errors.ts';

/** Where simulated instances listen; not every computer has more of 127.0.0.0/8 than this. */
export const loopbackAddress = '127.0.0.1';

interface Listener {
  readonly server: Server;
  readonly sockets: Set<Socket>;
}

/**
 * The ports of simulated instances: one HTTP server, fed by a small listener for each port. A port is reserved at the start of an instance
 * and opened once its app is ready: until then connections are refused, as a TCP readiness probe expects.
 */
export class Loopback {
  readonly #http;
  readonly #reserved = new Set<number>();
  readonly #listeners = new Map<number, Listener>();

  constructor(answer: (port: number, request: IncomingMessage, response: ServerResponse) => void) {
    this.#http = createServer((request, response) => answer(request.socket.localPort ?? 0, request, response));
  }

  /** A free port that no other instance of this engine is given. Throws addresses_exhausted. */
  async reserve(): Promise<number> {
    for (;;) {
      const server = await listen(createListener(), 0);
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      if (address === null || typeof address === 'string') throw new Error('a TCP listener has no port');
      if (this.#reserved.has(address.port)) continue; // reserved and not opened yet: free to the kernel, not to us
      this.#reserved.add(address.port);
      return address.port;
    }
  }

  async open(port: number): Promise<void> {
    const sockets = new Set<Socket>();
    const server = createListener({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      this.#http.emit('connection', socket);
    });
    await listen(server, port);
    if (this.#reserved.has(port)) this.#listeners.set(port, { server, sockets });
    else server.close(); // released meanwhile
  }

  /** Closes the port with its connections and gives it back. */
  release(port: number): void {
    this.#reserved.delete(port);
    const listener = this.#listeners.get(port);
    this.#listeners.delete(port);
    listener?.server.close();
    for (const socket of listener?.sockets ?? []) socket.destroy();
  }
}

function listen(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `no port on ${loopbackAddress} for a simulated instance: ${cause.message}`;
      reject(
        new ThawError('addresses_exhausted', message, { fix: 'Run fewer instances, or create the engine with `listen: false`.', cause }),
      );
    });
    server.listen({ port, host: loopbackAddress }, () => resolve(server));
  });
}
