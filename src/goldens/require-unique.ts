import type { Unique } from '#src/engine/hooks.ts';
import type { Instance } from '#src/instances/instance.ts';
import { getInstances } from '#src/instances/store.ts';
import { messageOf, ThawError } from '#src/platform/errors.ts';
import { requestOnce } from '#src/platform/http/request-once.ts';
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
    const outcome = await askOnce(clone, http, signal).catch((error: unknown) => `failed: ${messageOf(error)}`);
    signal.throwIfAborted();
    if (typeof outcome === 'string') {
      throw new ThawError('not_unique', `clone ${clone.id} did not tell what is its own: ${asked} ${outcome}`, {
        fix: `Correct the template's \`unique\`, or the app: it must answer 200 to 299 with some bytes within ${answerTimeoutMs} ms.`,
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
function askOnce({ address = '', ports }: Instance, { port, path }: Unique['http'], signal: AbortSignal): Promise<Buffer | string> {
  const at = ports.find((known) => known.port === port)?.addressPort ?? port;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]);
  return requestOnce({ host: address, port: at, path, signal: limit }, async (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxAnswerBytes) return `was answered with more than ${maxAnswerBytes} bytes`; // leaving the loop destroys the response
    }
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300) return `was answered with ${status}`;
    return size === 0 ? 'was answered with nothing' : Buffer.concat(chunks);
  });
}
