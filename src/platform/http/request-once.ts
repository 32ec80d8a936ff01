import { type IncomingMessage, request } from 'node:http';

export interface SingleRequest {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** GET when absent. */
  readonly method?: string;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends one request and answers what `read` makes of the response; one that switches protocols is a 101 without a body.
 * Over a connection of its own: one that is kept alive would be part of an instance's checkpoint, or meet a clone that does not know it.
 */
export function requestOnce<T>({ body, ...where }: SingleRequest, read: (response: IncomingMessage) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'close', ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) };
    const settle = (response: IncomingMessage) => void read(response).then(resolve, reject);
    const sent = request({ ...where, headers, agent: false }, settle);
    sent.once('upgrade', (response, socket) => {
      socket.destroy(); // without a listener Node would end the request with no event at all
      settle(response);
    });
    sent.on('error', reject).end(body); // more than one may come
  });
}
