import { request } from 'node:http';

export interface HookPost {
  readonly token: string;
  readonly body: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** An answer that never ends is an answer all the same. */
const drainMs = 100;

/**
 * POSTs a hook's body on a connection of its own: one that is kept would be part of a checkpoint. Undefined when it was answered with 200
 * to 299, else how it failed, in words of ours only.
 */
export function postHook(where: { host: string; port: number; path: string }, post: HookPost): Promise<string | undefined> {
  const { token, body, timeoutMs, signal } = post;
  return new Promise((resolve) => {
    const limit = AbortSignal.timeout(timeoutMs);
    const headers = {
      connection: 'close',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'thaw-hook-token': token,
    };
    const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    const sent = request({ ...where, method: 'POST', agent: false, headers, signal: stop }, (response) => {
      const status = response.statusCode ?? 0;
      const cut = setTimeout(() => response.destroy(), drainMs);
      response.on('error', () => {}); // 'close' follows
      response.resume().once('close', () => {
        clearTimeout(cut);
        resolve(status >= 200 && status < 300 ? undefined : `was answered with ${status}`);
      });
    });
    sent.once('upgrade', (_response, socket) => {
      socket.destroy(); // without a listener Node would end the request with no event at all
      resolve('was answered with 101');
    });
    sent.on('error', (error) => resolve(limit.aborted ? `exceeded ${timeoutMs} ms` : `failed (${codeOf(error)})`));
    sent.end(body);
  });
}

/** Never the message: that of a parser may quote what it met. */
function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
