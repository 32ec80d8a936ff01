import { rmSync } from 'node:fs';
import { run } from './subprocess.ts';

const removeTimeoutMs = 10 * 60_000;

/**
 * Removes a directory with all that is in it, or a file; what is not there is no error. In this process, as that is quick; by `rm` where
 * that fails: Node keeps a descriptor open for each level, and a tree that an app made may have more levels than a process may open files.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    await run(['rm', '-rf', '--', path], { timeoutMs: removeTimeoutMs });
  }
}
