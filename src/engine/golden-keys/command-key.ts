import { ThawError } from '#src/platform/errors.ts';
import { run, SubprocessError } from '#src/platform/subprocess.ts';
import type { WrappingKey } from './wrapping-key.ts';

const timeoutMs = 30_000;
const answerBytesMax = 64 * 1024;
/** A wrapped key says nothing about the key behind the command: which one it was, the command must know. */
const keyId = 'command';

/**
 * A key that only a program can use (a KMS, an HSM): run as `… wrap` or `… unwrap`, the bytes on stdin, the answer on stdout. It is told
 * nothing of the golden, so what it wrapped for one golden unwraps for another: the chunks are bound to theirs.
 */
export function openCommandKey(argv: readonly [string, ...string[]]): WrappingKey {
  return {
    keyId,
    name: `the command ${argv[0]} (THAW_ENCRYPTION_COMMAND)`,
    wrap: (dataKey, context) => ask([...argv, 'wrap'], dataKey, context),
    unwrap: (wrapped, context) => ask([...argv, 'unwrap'], wrapped, context),
  };
}

async function ask(argv: readonly [string, ...string[]], input: Buffer, context: string): Promise<Buffer> {
  try {
    const { stdoutBytes } = await run(argv, { timeoutMs, input });
    if (stdoutBytes.length > 0 && stdoutBytes.length <= answerBytesMax) return stdoutBytes;
    throw failed(argv, context, `answered ${stdoutBytes.length} bytes`);
  } catch (error) {
    if (!(error instanceof SubprocessError)) throw error;
    throw failed(argv, context, describe(error)); // without the error itself, whose message may hold stdout, and with it the key
  }
}

function describe({ exitCode, timedOut, stderr }: SubprocessError): string {
  if (timedOut) return `exceeded ${timeoutMs} ms`;
  if (exitCode === undefined) return 'could not be run';
  const said = stderr.trim().slice(-500);
  return `failed with exit code ${exitCode}${said && `: ${said}`}`;
}

function failed(argv: readonly string[], context: string, how: string): ThawError {
  return new ThawError('encryption_key_missing', `\`${argv.join(' ')}\` for ${context} ${how}`, {
    fix: 'Run the command by hand: it reads bytes on stdin and writes the answer to stdout.',
  });
}
