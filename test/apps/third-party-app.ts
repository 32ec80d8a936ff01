import { z } from 'zod';
import type { Workload } from '#src/engine/workload.ts';
import type { DebianImage } from './debian-image.ts';

/** A server that others wrote, with just enough of an app in it to tell one clone from another. */
export interface ThirdPartyApp {
  readonly name: string;
  readonly image: DebianImage;
  readonly workload: Omit<z.input<typeof Workload>, 'image'>;
  /** One request in the server's own protocol. Throws when it does not answer within 10 s. */
  ask(address: string): Promise<AppAnswer>;
}

export const AppAnswer = z.object({
  /** Made anew by each start and kept in memory only. */
  token: z.string().min(8),
  /** One more at each request. */
  counter: z.number().int(),
  /** The kernel's answer, asked at each request. */
  hostname: z.string(),
});
export type AppAnswer = z.infer<typeof AppAnswer>;

export const askTimeoutMs = 10_000;

export async function askByHttp(address: string): Promise<AppAnswer> {
  const response = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(askTimeoutMs) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text.slice(0, 500)}`);
  return AppAnswer.parse(JSON.parse(text));
}
