import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** One command of `thaw`, in a file of its own. */
export interface Command {
  readonly name: string;
  /** One line of `thaw --help`. */
  readonly summary: string;
  /** The whole of `thaw NAME --help`, beginning with the usage line. */
  readonly help: string;
  /** Answers the exit code. What can not be done is thrown: CommandError, UsageError, ThawError or ConfigError. */
  run(context: CommandContext, args: readonly string[]): Promise<number>;
}

/** What a command may touch of the process it runs in. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes one line of the answer to stdout. */
  print(line: string): void;
  /** Writes one line about the answer (progress, hints) to stderr. */
  note(line: string): void;
}

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** What was asked could not be done: printed as `thaw: message` and the fix, without a stack. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly fix: string | undefined;

  constructor(message: string, fix?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fix = fix;
  }
}

/** What was asked makes no sense: exit code 2. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';
}

interface Syntax<T extends ParseArgsOptionsConfig> {
  readonly options: T;
  /** Names of the positional arguments; those that end in `?` may be missing. */
  readonly positionals?: readonly string[];
}

/** Parses what stands behind the command's name. Throws UsageError for what the command does not know, has too many of or lacks. */
export function parseCommandArgs<const T extends ParseArgsOptionsConfig>(
  command: Pick<Command, 'name'>,
  args: readonly string[],
  { options, positionals = [] }: Syntax<T>,
) {
  const hint = `See \`thaw ${command.name} --help\`.`;
  const parsed = rethrowAsUsage(hint, () => parseArgs({ args: [...args], options, strict: true, allowPositionals: true }));
  const surplus = parsed.positionals[positionals.length];
  if (surplus !== undefined) throw new UsageError(`\`thaw ${command.name}\` does not take "${surplus}"`, hint);
  const missing = positionals[parsed.positionals.length];
  if (missing !== undefined && !missing.endsWith('?')) throw new UsageError(`\`thaw ${command.name}\` needs ${missing}`, hint);
  const empty = positionals[parsed.positionals.indexOf('')];
  if (empty !== undefined) throw new UsageError(`\`thaw ${command.name}\` was given an empty ${empty.replace('?', '')}`, hint);
  return { values: parsed.values, positionals: parsed.positionals };
}

function rethrowAsUsage<T>(hint: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // parseArgs speaks of the user's input by TypeErrors
    throw new UsageError(error.message.split(/\.\s/)[0] ?? error.message, hint);
  }
}
