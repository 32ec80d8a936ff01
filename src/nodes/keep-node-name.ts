import { readFile, rename, writeFile } from 'node:fs/promises';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';

/**
 * Keeps the node's name in a file of its data directory at the first start. Goldens and instances are recorded by that name: under another
 * one they would be nobody's. Throws node_unfit when it is another later.
 */
export async function keepNodeName(path: string, name: string): Promise<void> {
  const kept = await readName(path);
  if (kept === name) return;
  if (kept !== undefined) {
    throw new ThawError(
      'node_unfit',
      `this node is to be called "${name}", but by ${path} it is "${kept}": its goldens and instances are of that name`,
      {
        fix: `Set THAW_NODE=${kept}. To rename it, run \`thaw down --destroy\`, remove ${path} and capture the goldens again.`,
      },
    );
  }
  await writeFile(`${path}.new`, `${name}\n`);
  await rename(`${path}.new`, path); // whole or not at all
}

async function readName(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
