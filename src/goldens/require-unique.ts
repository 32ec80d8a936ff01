import { request } from 'node:http';
import type { Unique } from '#src/engine/hooks.ts';
import type { Instance } from '#src/instances/instance.ts';
import { getInstances } from '#src/instances/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';

const answerTimeoutMs = 5000;
const maxAnswerBytes = 64 * 1024;

/**
 * Asks warm clones of one golden for what must differ between them. Throws not_unique when two answer the same bytes, or one has nothing
 * to tell: what the app made before its checkpoint (keys, session ids, seeds) would then be shared by tenants.
 */
export async function requireUnique(
  { redis }: { readonly redis: Redis },
  clones: readonly InstanceId[],
  { http }: Unique,
  signal: AbortSignal,
): Promise<void> {
  const asked = `GET :${http.port}${http.path}`;
  const answers = new Map<string, InstanceId>();
  for (const clone of await getInstances(redis, clones)) {
    const outcome = await askOnce(clone, http, signal).catch(
      (error: unknown) => `failed: ${error instanceof Error ? error.message : error}`,
    );
    signal.throwIfAborted();
    if (typeof outcome === 'string') {
      throw new ThawError('not_unique', `clone ${clone.id} did not tell what is its own: ${asked} ${outcome}`, {
        fix: "Correct the template's `unique`, or the app: it must answer 200 to 299 with some bytes within 5000 ms.",
      });
    }
    const answer = outcome.toString('base64');
    const twin = answers.get(answer);
    if (twin !== undefined) {
      throw new ThawError('not_unique', `two clones of the golden are the same: ${twin} and ${clone.id} gave one answer to ${asked}`, {
        fix: 'Let the app renew what it answers there in its hooks.afterRestore, from the seed in /run/thaw/identity.json.',
      });
    }
    answers.set(answer, clone.id);
  }
}

/** The body's bytes, or in words why there are none. */
function askOnce({ address, ports }: Instance, { port, path }: Unique['http'], signal: AbortSignal): Promise<Buffer | string> {
  return new Promise((resolve, reject) => {
    const at = ports.find((known) => known.port === port)?.addressPort ?? port;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]);
    const sent = request({ host: address, port: at, path, agent: false, headers: { connection: 'close' }, signal: limit }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= maxAnswerBytes) return;
        resolve(`was answered with more than ${maxAnswerBytes} bytes`);
        response.destroy();
      });
      response.once('error', reject).once('end', () => {
        const status = response.statusCode ?? 0;
        if (status < 200 || status >= 300) resolve(`was answered with ${status}`);
        else resolve(size === 0 ? 'was answered with nothing' : Buffer.concat(chunks));
      });
    });
    sent.once('upgrade', (_response, socket) => {
      socket.destroy(); // without a listener Node would end the request with no event at all
      resolve('was answered with 101');
    });
    sent.once('error', reject).end();
  });
}
