import { readFile } from 'node:fs/promises';

/** The trimmed text of a file of /proc or /sys; undefined where this kernel does not have it or does not let us read it. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}
