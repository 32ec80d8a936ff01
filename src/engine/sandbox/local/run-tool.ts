import { ThawError } from '#src/platform/errors.ts';
import { type RunResult, run, SubprocessError } from '#src/platform/subprocess.ts';

interface ToolOptions {
  readonly input?: string;
  readonly okCodes?: readonly number[];
}

/** Generous: a namespace takes 15 ms here, but the kernel does one change to the network at a time for the whole host. */
const deadlineMs = 20_000;

/** Runs `ip`, `bridge` or `nft`. Throws subprocess_failed that begins with `what`, e.g. "making the bridge thaw-1a2b3c". */
export async function runTool(what: string, argv: readonly [string, ...string[]], options: ToolOptions = {}): Promise<RunResult> {
  try {
    return await run(argv, { timeoutMs: deadlineMs, ...options });
  } catch (error) {
    if (!(error instanceof SubprocessError)) throw error;
    throw new ThawError('subprocess_failed', `${what} failed: ${error.message}`, {
      cause: error,
      fix: '`thaw doctor` shows what the network of an instance needs: root, iproute2, nftables, and a kernel with bridges and veth.',
    });
  }
}

/** Runs `ip` commands in one process, in order, up to the first that fails. */
export async function ipBatch(what: string, commands: readonly string[]): Promise<void> {
  await runTool(what, ['ip', '-batch', '-'], { input: `${commands.join('\n')}\n` });
}
