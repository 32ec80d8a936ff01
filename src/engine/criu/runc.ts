import { dirname } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import { findProgram, programDirectories } from '#src/platform/find-program.ts';
import { type RunOptions, type RunResult, run } from '#src/platform/subprocess.ts';
import { runcRoot } from './instance-layout.ts';

/** runc with a root of our own, and our CRIU first on its PATH (`--criu` went away in runc 1.2, the look-up on PATH stays). */
export interface Runc {
  /** Absolute: conmon looks nothing up. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly globalArgs: readonly string[];
  run(args: readonly string[], options: Omit<RunOptions, 'env'>): Promise<RunResult>;
  /** The same, with a program before runc that changes what it runs as. */
  runPrefixed(prefix: readonly string[], args: readonly string[], options: Omit<RunOptions, 'env'>): Promise<RunResult>;
}

/** `criu` is needed for checkpoints alone. */
export function createRunc(paths: DataPaths, criu?: string): Runc {
  const env = { PATH: [...(criu === undefined ? [] : [dirname(criu)]), ...programDirectories].join(':') };
  const runc = findProgram('runc') ?? 'runc';
  const globalArgs = ['--root', runcRoot(paths)];
  const runPrefixed: Runc['runPrefixed'] = (prefix, args, options) => {
    const [program = runc, ...rest] = [...prefix, runc, ...globalArgs, ...args];
    return run([program, ...rest], { ...options, env });
  };
  return { program: runc, env, globalArgs, runPrefixed, run: (args, options) => runPrefixed([], args, options) };
}
