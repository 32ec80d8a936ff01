import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { PortMap } from '#src/engine/engine.ts';

const AppState = z.object({
  token: z.string().min(8),
  counter: z.number(),
  hostname: z.string(),
  machineId: z.string(),
  pid: z.number(),
  binding: z.record(z.string(), z.unknown()).nullable(),
});
export type AppState = z.infer<typeof AppState>;

interface Whereabouts {
  readonly address: string;
  readonly ports?: PortMap;
}

/** What the app answers on its port 8080. Throws when it does not, within `timeoutMs`. */
export async function ask(instance: Whereabouts, path: string, timeoutMs = 5000): Promise<string> {
  const url = `http://${instance.address}:${instance.ports?.[8080] ?? 8080}${path}`;
  return await (await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })).text();
}

/** The app's own view of itself; each call makes its counter grow by one. */
export async function askState(instance: Whereabouts, timeoutMs?: number): Promise<AppState> {
  return AppState.parse(JSON.parse(await ask(instance, '/', timeoutMs)));
}

/** Throws what the app last failed with when it does not answer within 20 s. Serves benches too, so it is not vitest's. */
export async function waitUntilReady(instance: Whereabouts): Promise<void> {
  for (const deadline = performance.now() + 20_000; ; await delay(20)) {
    try {
      await ask(instance, '/', 1000);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** For requests that the app may not live to answer. */
export async function tell(instance: Whereabouts, path: string): Promise<void> {
  await ask(instance, path).catch(() => {});
}
