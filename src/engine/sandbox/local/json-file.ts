import { readFile, rename, writeFile } from 'node:fs/promises';
import type { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';

/** Undefined when there is no such file. Throws node_unfit when it is not what we once wrote. */
export async function readJsonFile<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readTextFile(path);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new ThawError('node_unfit', `${path} can not be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
      fix: `End the instances of this node, remove ${path} and start Thaw again.`,
    });
  }
}

/** Atomic: a reader, and a process started after a crash, sees the old content or the new. */
export async function writeJsonFile<T>(path: string, content: T): Promise<void> {
  const draft = `${path}.new-${process.pid}`; // the worker and the node agent may write the same file
  await writeFile(draft, `${JSON.stringify(content)}\n`);
  await rename(draft, path);
}

/** Undefined when there is no such file. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
