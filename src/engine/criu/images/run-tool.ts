import { ThawError } from '#src/platform/errors.ts';
import { run, SubprocessError } from '#src/platform/subprocess.ts';

export interface ToolOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program that works on an image and answers its stdout. It dies with this process: an orphan would go on writing where the next
 * one sweeps. Throws the reason of `signal`, node_unfit when the program is missing, disk_reserve when the disk is full; all other failures
 * are SubprocessErrors, for the caller to explain.
 */
export async function runTool(image: string, argv: readonly [string, ...string[]], options: ToolOptions): Promise<string> {
  const { timeoutMs, signal } = options;
  try {
    return (await run(['setpriv', '--pdeathsig', 'KILL', ...argv], { timeoutMs, ...(signal ? { signal } : {}) })).stdout;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof SubprocessError)) throw error;
    if (error.exitCode === undefined || /^setpriv: failed to execute/m.test(error.stderr)) {
      throw new ThawError('node_unfit', `image ${image}: ${argv[0]} could not be run on this node`, {
        fix: 'Run deploy/host/setup.sh as root.',
      });
    }
    if (/no space left on device/i.test(error.stderr)) {
      throw new ThawError('disk_reserve', `image ${image}: the disk became full`, {
        fix: 'Delete goldens and images that are not in use, or free disk space.',
      });
    }
    throw error;
  }
}
