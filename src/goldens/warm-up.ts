import { once } from 'node:events';
import { type InstanceEndpoint, reachedAt } from '#src/instances/probe.ts';
import { messageOf, ThawError } from '#src/platform/errors.ts';
import { requestOnce } from '#src/platform/http/request-once.ts';
import type { WarmupRequest } from '#src/templates/template.ts';

/** Of one request; an app may load much at its first answer. */
const requestTimeoutMs = 60_000;

/** Sends a template's warm-up requests one after the other. Throws warmup_failed when one is not answered with 200 to 399. */
export async function warmUp(target: InstanceEndpoint, requests: readonly WarmupRequest[], signal: AbortSignal): Promise<void> {
  for (const { http } of requests) {
    const outcome = await send(target, http, signal).catch(messageOf);
    signal.throwIfAborted();
    if (typeof outcome === 'number' && outcome >= 200 && outcome < 400) continue;
    const how = typeof outcome === 'number' ? `was answered with ${outcome}` : `failed within ${requestTimeoutMs} ms: ${outcome}`;
    throw new ThawError('warmup_failed', `the warm-up request ${http.method} :${http.port}${http.path} to ${target.id} ${how}`, {
      fix: 'Correct `warmup` of the template, or the app; every warm-up request must be answered with 200 to 399.',
    });
  }
}

/** Answers the status once the whole body has come: a connection that is still open would be part of the checkpoint. */
function send(target: InstanceEndpoint, { port, path, method, body }: WarmupRequest['http'], signal: AbortSignal): Promise<number> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
  const where = { host: target.address, port: reachedAt(target, port), path, method, body, signal: limit };
  return requestOnce(where, async (response) => {
    await once(response.resume(), 'end');
    return response.statusCode ?? 0;
  });
}
