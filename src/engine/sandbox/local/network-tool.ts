import { runTool } from '#src/platform/run-tool.ts';
import type { RunResult } from '#src/platform/subprocess.ts';

interface NetworkToolOptions {
  readonly input?: string;
  readonly okCodes?: readonly number[];
}

/** Generous: a namespace takes 15 ms here, but the kernel does one change to the network at a time for the whole host. */
const timeoutMs = 20_000;

/** Runs `ip`, `bridge` or `nft`. Throws subprocess_failed that begins with `what`, e.g. "making the bridge thaw-1a2b3c". */
export function networkTool(what: string, argv: readonly [string, ...string[]], options: NetworkToolOptions = {}): Promise<RunResult> {
  return runTool(what, argv, { timeoutMs, ...options });
}

/** Runs `ip` commands in one process, in order, up to the first that fails. */
export async function ipBatch(what: string, commands: readonly string[]): Promise<void> {
  await networkTool(what, ['ip', '-batch', '-'], { input: `${commands.join('\n')}\n` });
}
