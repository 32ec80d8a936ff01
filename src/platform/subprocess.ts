import { spawn } from 'node:child_process';
import { watchProgress } from './watch-progress.ts';

export interface RunOptions {
  /** SIGTERM at the deadline, SIGKILL two seconds later. Required: nothing of ours waits for ever. */
  readonly timeoutMs: number;
  /** As at the deadline when the program has moved no data for so long: for what may rightly take hours. */
  readonly stallTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal;
  readonly cwd?: string;
  /** Replaces the environment; the caller passes what the program needs. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Exit codes that are no failure. */
  readonly okCodes?: readonly number[];
}

export interface RunResult {
  readonly stdout: string;
  /** The same before it was read as UTF-8. */
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A program that failed: what was run, how it ended and the tail of what it said. */
export class SubprocessError extends Error {
  override readonly name = 'SubprocessError';
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;

  constructor(argv: readonly string[], ending: string, result: Partial<RunResult> & { timedOut?: boolean }, cause?: unknown) {
    const said = (result.stderr || result.stdout || '').trim().split('\n').slice(-6).join('\n').slice(-2000);
    super(`\`${argv.join(' ').slice(0, 400)}\` ${ending}${said ? `: ${said}` : ''}`, cause === undefined ? undefined : { cause });
    this.exitCode = result.exitCode;
    this.stdout = result.stdout ?? '';
    this.stderr = result.stderr ?? '';
    this.timedOut = result.timedOut ?? false;
  }
}

const killGraceMs = 2000;
const pipesGraceMs = 500;
const maxOutputBytes = 4 * 1024 * 1024;

/** Runs a program to its end. Throws SubprocessError when it can not start, fails, is aborted or exceeds its deadline. */
export function run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
  const [program, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let stoppedBy: 'deadline' | 'stall' | 'abort' | undefined;
    let killTimer: NodeJS.Timeout | undefined;
    let pipesTimer: NodeJS.Timeout | undefined;
    const stop = (reason: 'deadline' | 'stall' | 'abort') => {
      stoppedBy ??= reason;
      child.kill('SIGTERM');
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), killGraceMs);
    };
    const onAbort = () => stop('abort');
    const deadline = setTimeout(() => stop('deadline'), options.timeoutMs);
    const stopWatching = watchProgress(child.pid, options.stallTimeoutMs, () => stop('stall'));
    const settle = () => {
      clearTimeout(deadline);
      stopWatching();
      clearTimeout(killTimer);
      clearTimeout(pipesTimer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    if (options.signal?.aborted) onAbort();
    else options.signal?.addEventListener('abort', onAbort, { once: true });

    child.once('error', (error) => {
      settle();
      reject(new SubprocessError(argv, `could not be run (${error.message})`, {}, error));
    });
    // 'close' waits for the pipes, which a grandchild may hold for ever: after the exit they get a moment.
    let exited: { code: number | null; killedBy: NodeJS.Signals | null } | undefined;
    child.once('exit', (code, killedBy) => {
      exited = { code, killedBy };
      pipesTimer = setTimeout(finish, pipesGraceMs);
    });
    child.once('close', finish);
    function finish() {
      const { code, killedBy } = exited ?? { code: null, killedBy: null };
      settle();
      child.stdout?.destroy();
      child.stderr?.destroy();
      const stdoutBytes = stdout();
      const result = { stdout: stdoutBytes.toString('utf8'), stdoutBytes, stderr: stderr().toString('utf8'), exitCode: code ?? -1 };
      if (stoppedBy === 'abort') reject(new SubprocessError(argv, 'was aborted', result, options.signal?.reason));
      else if (stoppedBy === 'deadline')
        reject(new SubprocessError(argv, `exceeded ${options.timeoutMs} ms`, { ...result, timedOut: true }));
      else if (stoppedBy === 'stall')
        reject(new SubprocessError(argv, `moved no data for ${options.stallTimeoutMs} ms`, { ...result, timedOut: true }));
      else if (code === 0 || (code !== null && options.okCodes?.includes(code))) resolve(result);
      else reject(new SubprocessError(argv, killedBy ? `was ended by ${killedBy}` : `failed with exit code ${code}`, result));
    }
    if (options.input !== undefined) {
      child.stdin?.on('error', () => {}); // a program that ends without reading its input answers by its exit code
      child.stdin?.end(options.input);
    }
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < maxOutputBytes) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks);
}
