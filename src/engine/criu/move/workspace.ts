import { mkdir, mkdtemp, readdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';
import { removeTree } from '#src/platform/remove-tree.ts';

/** A directory for one move of a golden. Nothing of it stays: what a crash leaves, sweepWorkspaces removes. */
export interface Workspace extends AsyncDisposable {
  readonly directory: string;
  /** What is being written there goes with the workspace, unless it was renamed by then. */
  writesTo(partial: string): Promise<void>;
}

const besideLink = 'beside';

export async function openWorkspace(moves: string): Promise<Workspace> {
  await mkdir(moves, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(moves, 'move-'));
  return {
    directory,
    writesTo: (partial) => symlink(partial, join(directory, besideLink)), // before anything is there
    [Symbol.asyncDispose]: () => clear(directory),
  };
}

/** Once, before the first move of a process. */
export async function sweepWorkspaces(moves: string): Promise<void> {
  for (const name of await namesIn(moves)) await clear(join(moves, name));
}

async function clear(directory: string): Promise<void> {
  const partial = await readlink(join(directory, besideLink)).catch(() => undefined);
  if (partial !== undefined) await removeTree(partial);
  await removeTree(directory);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return [];
    throw error;
  }
}
