import { createHmac, randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';

/** Tells whether two requests are the same without keeping anything of them. */
export type Fingerprint = (pool: string, body: unknown) => string;

/**
 * A body may hold secrets, and a plain hash of a short secret can be guessed: the fingerprint is an HMAC, its key a file of
 * this installation that Redis never sees (law 8). Made when it does not exist; two processes that start at once share one.
 */
export async function openFingerprint(keyPath: string): Promise<Fingerprint> {
  const key = await readKey(keyPath);
  return (pool, body) =>
    createHmac('sha256', key)
      .update(canonicalJson([pool, body]))
      .digest('base64url');
}

async function readKey(path: string): Promise<string> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, randomBytes(32).toString('hex'), { mode: 0o600 });
  try {
    await link(draft, path); // atomic, and refused when there is one
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, 'utf8');
}

/** Equal values give equal text, in whatever order their fields were sent. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
