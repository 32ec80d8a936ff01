import { request } from 'node:http';
import { type InstanceEndpoint, reachedAt } from '#src/instances/probe.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { WarmupRequest } from '#src/templates/template.ts';

/** Of one request; an app may load much at its first answer. */
const requestTimeoutMs = 60_000;

/** Sends a template's warm-up requests one after the other. Throws warmup_failed when one is not answered with 200 to 399. */
export async function warmUp(target: InstanceEndpoint, requests: readonly WarmupRequest[], signal: AbortSignal): Promise<void> {
  for (const { http } of requests) {
    const outcome = await send(target, http, signal).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
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
  return new Promise((resolve, reject) => {
    const headers = { connection: 'close', ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
    const where = { host: target.address, port: reachedAt(target, port), path, method, headers, agent: false, signal: limit };
    const sent = request(where, (response) => {
      response
        .resume()
        .once('error', reject)
        .once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('upgrade', (_response, socket) => {
      socket.destroy(); // without a listener Node would end the request with no event at all
      resolve(101);
    });
    sent.once('error', reject).end(body);
  });
}
