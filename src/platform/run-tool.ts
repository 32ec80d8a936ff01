import { ThawError } from './errors.ts';
import { isOutOfSpace, outOfSpace } from './out-of-space.ts';
import { type RunOptions, type RunResult, run, SubprocessError } from './subprocess.ts';

export interface ToolOptions extends Pick<RunOptions, 'timeoutMs' | 'stallTimeoutMs' | 'input' | 'okCodes'> {
  readonly signal?: AbortSignal | undefined;
  /** For what writes into a directory of ours: an orphan would go on writing where the next process sweeps. */
  readonly diesWithUs?: boolean;
  /** What any other failure means. Without it: subprocess_failed. */
  readonly explain?: (error: SubprocessError) => ThawError;
}

/**
 * Runs a program of the host. Throws the reason of `signal`, node_unfit when the program is missing, disk_reserve when a disk or a tmpfs is
 * full, else what `explain` answers. Messages begin with `what`: "making the bridge thaw-1a2b3c", "image nginx:1.27".
 */
export async function runTool(what: string, argv: readonly [string, ...string[]], options: ToolOptions): Promise<RunResult> {
  const { signal, diesWithUs = false, explain = (error) => failed(what, error), ...rest } = options;
  try {
    return await run(diesWithUs ? ['setpriv', '--pdeathsig', 'KILL', ...argv] : argv, { ...rest, ...(signal ? { signal } : {}) });
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof SubprocessError)) throw error;
    if (error.exitCode === undefined || /^setpriv: failed to execute/m.test(error.stderr)) {
      const fix = 'Run deploy/host/setup.sh as root; `thaw doctor` lists what is missing.';
      throw new ThawError('node_unfit', `${what}: ${argv[0]} could not be run on this node`, { fix, cause: error });
    }
    if (isOutOfSpace(error)) throw outOfSpace(what, error);
    throw explain(error);
  }
}

function failed(what: string, cause: SubprocessError): ThawError {
  return new ThawError('subprocess_failed', `${what} failed: ${cause.message}`, {
    fix: '`thaw doctor` shows what this node lacks: root, iproute2, nftables, or something of its kernel.',
    cause,
  });
}
