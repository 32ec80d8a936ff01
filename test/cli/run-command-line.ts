import { runThaw } from '#src/cli/run-thaw.ts';

export interface CommandOutcome {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `thaw ARGS` in this process, with this environment and no other. */
export async function runCommandLine(env: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandOutcome> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runThaw({ env, print: (line) => out.push(line), note: (line) => err.push(line) }, args);
  return { exitCode, out: out.join('\n'), err: err.join('\n') };
}
