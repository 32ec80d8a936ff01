import { ConfigError } from '#src/platform/config.ts';
import { isThawError, messageOf } from '#src/platform/errors.ts';
import { type Command, type CommandContext, CommandError, exitCodes, UsageError } from './command.ts';
import { commands } from './commands.ts';

/** Runs the command line. Answers the exit code; what went wrong has been said on stderr. */
export async function runThaw(context: CommandContext, argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(context, argv);
  } catch (error) {
    for (const line of describeError(error, context.env.LOG_LEVEL === 'debug')) context.note(line);
    return error instanceof UsageError || error instanceof ConfigError ? exitCodes.usage : exitCodes.failed;
  }
}

async function dispatch(context: CommandContext, [name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) throw new UsageError('no command given', 'See `thaw --help`.');
  if (isHelp(name) || name === 'help') return printHelp(context, args[0]);
  const command = findCommand(name);
  const behindSeparator = args.indexOf('--');
  const ownArgs = behindSeparator === -1 ? args : args.slice(0, behindSeparator);
  return ownArgs.some(isHelp) ? printHelp(context, name) : command.run(context, args);
}

function printHelp({ print }: CommandContext, name: string | undefined): number {
  print(name === undefined ? overview() : findCommand(name).help);
  return exitCodes.ok;
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h';
}

function findCommand(name: string): Command {
  const command = commands.find((one) => one.name === name);
  if (command) return command;
  const near = commands.find((one) => one.name.startsWith(name) || name.startsWith(one.name));
  throw new UsageError(`there is no command "${name}"`, near ? `Did you mean \`thaw ${near.name}\`?` : '`thaw --help` lists them.');
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return `usage: thaw COMMAND [options]

Slow containers that start instantly: golden checkpoints, warm pools, claims over REST.

${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

\`thaw COMMAND --help\` says more. Settings come from the environment (THAW_DATA_DIR, THAW_PORT, …).
Exit codes: 0 done, 1 could not be done, 2 wrong usage or setting.`;
}

/** A bug is told by its message too; the stack only to who asks for it. */
function describeError(error: unknown, withStack: boolean): string[] {
  if (withStack) return [error instanceof Error ? `thaw: ${error.stack}` : `thaw: ${error}`];
  const fix = error instanceof CommandError || isThawError(error) ? error.fix : undefined;
  const hint = fix ?? (isExpected(error) ? undefined : 'This may be a bug: LOG_LEVEL=debug shows where it happened.');
  return [`thaw: ${messageOf(error)}`, ...(hint === undefined ? [] : [`      ${hint}`])];
}

function isExpected(error: unknown): boolean {
  return error instanceof CommandError || error instanceof ConfigError || isThawError(error);
}
