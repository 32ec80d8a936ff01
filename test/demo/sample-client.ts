import { z } from 'zod';

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
  return WhoAmI.parse(await read(await fetch(new URL('/whoami', endpoint), { signal: AbortSignal.timeout(timeoutMs) })));
}

/** Answers all notes that the instance keeps. */
export async function leaveNote(endpoint: string, text: string): Promise<string[]> {
  const response = await fetch(new URL('/notes', endpoint), { method: 'POST', body: text, signal: AbortSignal.timeout(timeoutMs) });
  return z.object({ notes: z.array(z.string()) }).parse(await read(response)).notes;
}

async function read(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
