import { z } from 'zod';
import { exchange } from './exchange.ts';

/** What the sample app says of itself (sample-app/server.mjs). */
const WhoAmI = z.object({
  bootToken: z.string(),
  counter: z.number(),
  notes: z.array(z.string()),
  hostname: z.string(),
  machineId: z.string(),
  startedAt: z.string(),
  documents: z.number(),
  binding: z
    .object({ tenant: z.string(), claim: z.string(), env: z.record(z.string(), z.string()), secrets: z.array(z.string()) })
    .nullable(),
});
export type WhoAmI = z.infer<typeof WhoAmI>;

const timeoutMs = 5000;

export async function askWhoAmI(endpoint: string): Promise<WhoAmI> {
  return WhoAmI.parse(await read(new URL('/whoami', endpoint)));
}

/** Answers all notes that the instance keeps. */
export async function leaveNote(endpoint: string, text: string): Promise<string[]> {
  return z.object({ notes: z.array(z.string()) }).parse(await read(new URL('/notes', endpoint), { method: 'POST', body: text })).notes;
}

async function read(url: URL, options: { method?: string; body?: string } = {}): Promise<unknown> {
  const { status, text } = await exchange(url, { ...options, signal: AbortSignal.timeout(timeoutMs) });
  if (status >= 300) throw new Error(`${url} answered ${status}: ${text}`);
  return JSON.parse(text);
}
