import { Agent, type RequestOptions, request } from 'node:http';

export interface Load {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answered: number;
}

export interface Ask extends Pick<RequestOptions, 'method' | 'path' | 'headers'> {
  readonly body?: string;
}

/**
 * So many clients, each with one kept connection and one request at a time, until the time is over or `next` has no more. Throws when an answer is
 * not a success: a refusal is quick, and no figure.
 */
export async function loadServer(url: URL, clients: number, forMs: number, next: () => Ask | undefined): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const tookMs: number[] = [];
  const startedAt = performance.now();
  const client = async () => {
    while (performance.now() - startedAt < forMs) {
      const ask = next();
      if (ask === undefined) return;
      tookMs.push((await send(agent, url, ask)).ms);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const ranMs = performance.now() - startedAt;
  agent.destroy();
  return { perSecond: Math.round((tookMs.length / ranMs) * 1000), ...percentiles(tookMs), answered: tookMs.length };
}

export function send(agent: Agent, { hostname, port }: URL, { body, headers, ...ask }: Ask): Promise<{ ms: number; text: string }> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const startedAt = performance.now();
    const sent = request({ hostname, port, agent, ...ask, headers: { ...headers, ...length } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject).once('end', () => {
        const status = response.statusCode ?? 0;
        const ms = performance.now() - startedAt;
        const text = Buffer.concat(chunks).toString();
        if (status >= 200 && status < 300) resolve({ ms, text });
        else reject(new Error(`${ask.method} ${ask.path} answered ${status}: ${text.slice(0, 300)}`));
      });
    });
    sent.once('error', reject).end(body);
  });
}

export function percentiles(values: readonly number[]): { p50Ms: number; p99Ms: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
