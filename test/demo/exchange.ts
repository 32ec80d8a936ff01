import { Agent, request } from 'node:http';

export interface Exchange {
  readonly status: number;
  readonly text: string;
  /** From the request's first byte to the answer's last. */
  readonly tookMs: number;
}

/** Connections are kept, as those of a back end that calls all day. */
const agent = new Agent({ keepAlive: true });

/** One HTTP request. node:http and not fetch: the demo times answers of a few milliseconds, and fetch takes one or two of its own. */
export function exchange(
  url: string | URL,
  { method = 'GET', headers = {}, body, signal }: { method?: string; headers?: Record<string, string>; body?: string; signal: AbortSignal },
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const startedAt = performance.now();
    const sent = request(url, { method, agent, signal, headers: { ...headers, ...length } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text, tookMs: performance.now() - startedAt }));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
