import { once } from 'node:events';
import type { Engine } from '#src/engine/engine.ts';
import { type InstanceEndpoint, reachedAt } from '#src/instances/probe.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { messageOf, ThawError } from '#src/platform/errors.ts';
import { requestOnce } from '#src/platform/http/request-once.ts';
import type { SmokeTest } from '#src/templates/verify-policy.ts';

/** Asks a clone for the work that its template names; answers how long that took (ms). Throws smoke_failed. */
export async function smokeTest(
  engine: Pick<Engine, 'exec'>,
  target: InstanceEndpoint,
  smoke: SmokeTest,
  signal: AbortSignal,
): Promise<{ tookMs: number }> {
  const startedAt = performance.now();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(smoke.timeoutMs)]);
  const complaint = await complainOf(engine, target, smoke, limit).catch((error: unknown) =>
    limit.aborted ? `did not end within ${smoke.timeoutMs} ms` : `failed: ${messageOf(error)}`,
  );
  signal.throwIfAborted();
  if (complaint === undefined) return { tookMs: elapsedMs(startedAt) };
  throw new ThawError('smoke_failed', `the smoke test ${describe(smoke)} of clone ${target.id} ${complaint}`, {
    fix: 'Correct what the app does after its restore, or `verify.smoke` of the template, and capture again.',
  });
}

/** Undefined when the test is passed. */
async function complainOf(
  engine: Pick<Engine, 'exec'>,
  target: InstanceEndpoint,
  { http, exec, timeoutMs }: SmokeTest,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (http) {
    const status = await send(target, http, signal);
    const passed = http.status === undefined ? status >= 200 && status < 400 : status === http.status;
    return passed ? undefined : `was answered with ${status}, not with ${http.status ?? '200 to 399'}`;
  }
  const { exitCode, stderr } = await engine.exec(target.id, exec?.command ?? [], { timeoutMs, signal });
  if (exitCode === 0) return undefined;
  const said = stderr.trim().slice(-200);
  return `ended with ${exitCode}${said === '' ? '' : `: ${said}`}`;
}

function send(target: InstanceEndpoint, request: NonNullable<SmokeTest['http']>, signal: AbortSignal): Promise<number> {
  const { port, path, method, body } = request;
  return requestOnce({ host: target.address, port: reachedAt(target, port), path, method, body, signal }, async (response) => {
    await once(response.resume(), 'end');
    return response.statusCode ?? 0;
  });
}

function describe({ http, exec }: SmokeTest): string {
  return http ? `${http.method} :${http.port}${http.path}` : `\`${exec?.command.join(' ')}\``;
}
