import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { isErrnoError } from './errno.ts';

/** 256 random bits as hex, kept in a file (0600) that Redis never sees. Made when it does not exist; two processes that start at once share one. */
export async function openSecretFile(path: string): Promise<string> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, randomBytes(32).toString('hex'), { mode: 0o600 });
  try {
    await link(draft, path); // atomic, and refused when there is one
  } catch (error) {
    if (!isErrnoError(error, 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, 'utf8');
}
