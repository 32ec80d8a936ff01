import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Seen } from './history.ts';

const Answer = z.object({ id: z.string(), state: z.string(), instance: z.object({ id: z.string() }).optional() });
type Answer = z.infer<typeof Answer>;

export interface Claimers {
  readonly history: readonly Seen[];
  /** Until so many more claims were answered. */
  untilAnswered(more: number): Promise<void>;
  /** Ends them once each has released what it holds. */
  stop(): Promise<void>;
}

const patienceMs = 300_000;
const lostAnswers = 0.2;

/** So many clients that claim from the pool `web`, read what they hold and release it, again and again; some lose the answer and ask again. */
export function startClaimers(url: string, key: string, count: number): Claimers {
  const history: Seen[] = [];
  let isStopping = false;
  let answered = 0;

  const send = async (method: string, path: string, body?: object, headers: Record<string, string> = {}, signal?: AbortSignal) => {
    const init = {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    };
    const limit = AbortSignal.any([AbortSignal.timeout(30_000), ...(signal ? [signal] : [])]);
    const response = await fetch(`${url}${path}`, { ...init, signal: limit, ...(body ? { body: JSON.stringify(body) } : {}) });
    const answer: unknown = await response.json();
    return { status: response.status, answer };
  };
  /** Until the service says yes: it may be away, or have nothing. What it refuses for good is thrown. */
  const insist = async (method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer> => {
    for (const deadline = performance.now() + patienceMs; ; await delay(20 + Math.random() * 80)) {
      const said = await send(method, path, body, headers).catch(() => undefined);
      if (said !== undefined && said.status < 300) return Answer.parse(said.answer);
      const isFinal = said !== undefined && said.status < 500;
      if (isFinal || performance.now() > deadline) throw new Error(`${method} ${path}: ${JSON.stringify(said)}`);
    }
  };
  const claimer = async (tenant: string) => {
    while (!isStopping) {
      const body = { tenant, leaseMs: 600_000, waitMs: 20_000, secrets: { TOKEN: 's3cret' } };
      const headers = { 'idempotency-key': crypto.randomUUID() };
      const claim = () => insist('POST', '/v1/pools/web/claims', body, headers);
      if (Math.random() < lostAnswers) {
        const cut = AbortSignal.timeout(Math.ceil(Math.random() * 40));
        await send('POST', '/v1/pools/web/claims', body, headers, cut).catch(() => {}); // whatever it answered, nobody reads it
      }
      const noteAnswer = ({ id, instance }: Answer) =>
        history.push({ kind: 'answered', key: headers['idempotency-key'], claim: id, instance: instance?.id ?? 'none' });
      const made = await claim();
      noteAnswer(made);
      answered++;
      if (Math.random() < lostAnswers) noteAnswer(await claim());
      await delay(Math.random() * 300);
      const read = await insist('GET', `/v1/claims/${made.id}`);
      history.push({ kind: 'read', claim: made.id, state: read.state, instance: read.instance?.id ?? 'none' });
      await insist('DELETE', `/v1/claims/${made.id}`);
      history.push({ kind: 'released', claim: made.id });
    }
  };
  const running = Promise.all(Array.from({ length: count }, (_, i) => claimer(`tenant-${i % 20}`)));
  running.catch(() => {}); // thrown by untilAnswered and stop
  return {
    history,
    untilAnswered: async (more) => {
      const goal = answered + more;
      const reached = async () => {
        while (answered < goal) await delay(50);
      };
      await Promise.race([running, reached()]);
    },
    stop: async () => {
      isStopping = true;
      await running;
    },
  };
}
