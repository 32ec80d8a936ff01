import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { InstanceId } from '#src/platform/ids.ts';
import { setStanding } from '#src/platform/standing.ts';
import type { InstanceLayout } from './instance-layout.ts';

/** Makes everything below inherit PR_SET_MEMORY_MERGE (67, kernel 6.4): Node has no prctl, perl-base is always there on Debian. */
const mergeMemoryPrefix = [
  'perl',
  '-e',
  `syscall(${process.arch === 'arm64' ? 167 : 157},67,1,0,0,0)==0 or die "prctl: $!"; exec @ARGV or die`,
];

export interface ConmonRequest {
  readonly id: InstanceId;
  readonly layout: InstanceLayout;
  readonly exitsDirectory: string;
  readonly runtime: string;
  readonly runtimeArgs: readonly string[];
  /** The runtime fills the container from a checkpoint instead of creating one. */
  readonly restore: boolean;
  readonly shareMemory: boolean;
  readonly logBytesMax: number;
  readonly env: Readonly<Record<string, string>>;
}

/** What conmon writes to its sync pipe: the container's pid, or a negative one with what the runtime said. */
const SyncMessage = z.object({ pid: z.number().optional(), data: z.number().optional(), message: z.string().optional() });

/** A conmon on its way. */
export interface ConmonRun {
  /** The pid of the instance's first process; rejects with what the runtime said when there is none. */
  readonly started: Promise<number>;
}

/**
 * Runs the runtime under a conmon of the instance's own, which keeps its stdio and log, reaps it and writes its exit code,
 * and lives on when this process dies (2.2 MB each).
 */
export function startConmon(request: ConmonRequest): ConmonRun {
  const [program = 'conmon', ...args] = [...(request.shareMemory ? mergeMemoryPrefix : []), 'conmon', ...conmonArguments(request)];
  const complaints = join(request.layout.criu, 'conmon.log');
  const stderr = openSync(complaints, 'w', 0o600);
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', stderr, 'pipe'],
    env: { ...request.env, _OCI_SYNCPIPE: '3' },
    cwd: request.layout.directory,
  });
  closeSync(stderr);
  if (child.pid !== undefined) setStanding(child.pid, 'instance');
  const sync = child.stdio[3];
  const started = new Promise<number>((resolve, reject) => {
    let said = '';
    child.once('error', (error) => reject(new Error(`conmon could not be run (${error.message})`, { cause: error })));
    sync?.on('error', reject);
    sync?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      if (!said.includes('\n')) return;
      const message = parseSyncMessage(said);
      const pid = message?.pid ?? message?.data ?? -1;
      if (pid > 0) resolve(pid);
      else reject(new Error(message?.message?.trim() || 'the runtime failed without a word'));
    });
    sync?.on('end', () => reject(new Error(readText(complaints).trim() || 'conmon ended without an answer')));
  });
  const settle = () => sync?.destroy();
  started.then(settle, settle); // also marks a rejection as seen: a primed instance may be destroyed with nobody waiting
  return { started };
}

/** The pid, unless the abort or the deadline comes first; whoever gave up destroys the instance. */
export async function awaitStarted(run: ConmonRun, timeoutMs: number, signal: AbortSignal): Promise<number> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new Error('aborted', { cause: signal.reason }));
  const deadline = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([run.started, promise]);
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The exit code that conmon recorded, once the instance has ended. */
export function readExitCode(exitFile: string): number | undefined {
  const text = readText(exitFile).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** k8s-file lines (`time stream F text`) without their prefix, cut to the newest `maxBytes`. */
export function readLog(file: string, maxBytes: number): string {
  const text = readText(file)
    .split('\n')
    .map((line) => /^\S+ (?:stdout|stderr) ([FP]) (.*)$/s.exec(line))
    .map((match) => (match ? `${match[2]}${match[1] === 'F' ? '\n' : ''}` : ''))
    .join('');
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes ? text : bytes.subarray(bytes.length - maxBytes).toString('utf8');
}

function conmonArguments({ id, layout, exitsDirectory, runtime, runtimeArgs, restore, logBytesMax }: ConmonRequest): string[] {
  return [
    ...['--cid', id, '--cuuid', id, '--bundle', layout.directory],
    ...['--runtime', runtime, ...runtimeArgs.flatMap((arg) => ['--runtime-arg', arg])],
    ...['--log-path', `k8s-file:${layout.log}`, '--log-size-max', String(logBytesMax), '--no-sync-log'],
    ...['--container-pidfile', layout.pidFile, '--conmon-pidfile', layout.conmonPidFile],
    ...['--exit-dir', exitsDirectory, '--full-attach'],
    ...(restore ? ['--restore', layout.criu] : []),
  ];
}

function parseSyncMessage(line: string): z.infer<typeof SyncMessage> | undefined {
  try {
    return SyncMessage.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** '' for a file that is not there. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
