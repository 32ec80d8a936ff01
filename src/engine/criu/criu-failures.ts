import { readFileSync } from 'node:fs';
import type { ProblemCode } from '#src/platform/errors.ts';

export interface CriuFailure {
  readonly code: ProblemCode;
  /** In plain words. */
  readonly cause: string;
  readonly fix: string;
}

interface Rule extends CriuFailure {
  readonly pattern: RegExp;
}

/** What a dump trips over, as seen in CRIU's log (FACTS.md and criu.org); the first that fits wins. */
const dumpRules: readonly Rule[] = [
  {
    pattern: /anon_inode:\[io_uring\]|io_uring/,
    code: 'checkpoint_unsupported',
    cause: 'the app holds an io_uring, which CRIU can not checkpoint',
    fix: 'Let the app use epoll (Node: UV_USE_IO_URING=0).',
  },
  {
    pattern: /Can't get rlimit|Can't get .*uid.*rlimit/,
    code: 'checkpoint_unsupported',
    cause: 'the container runs processes of several users and this node lacks CAP_SYS_RESOURCE',
    fix: 'Run all processes as one user, or give the node CAP_SYS_RESOURCE.',
  },
  {
    pattern: /In-flight connection/,
    code: 'checkpoint_failed',
    cause: 'a connection was half open at that instant',
    fix: 'Try again; keep clients away from the primer.',
  },
  {
    pattern: /Connected TCP socket|established TCP/i,
    code: 'checkpoint_unsupported',
    cause: 'the app holds an established TCP connection',
    fix: 'Close outgoing connections before the checkpoint and reopen them afterwards.',
  },
  {
    pattern: /External socket is used|unix: .*(?:Can't dump|external)|Can't dump half of .*unix/i,
    code: 'checkpoint_unsupported',
    cause: 'the app is connected to a unix socket outside of the container',
    fix: 'Do without the connection until after the restore.',
  },
  {
    pattern: /Can't dump (?:ghost file|file) .*(?:size|limit)|ghost file .* (?:big|larger|limit)/i,
    code: 'checkpoint_unsupported',
    cause: 'the app holds a large deleted file open',
    fix: 'Close or keep such files (temporary files that are deleted while open) before the checkpoint.',
  },
  {
    pattern: /Can't create link remap/,
    code: 'checkpoint_unsupported',
    cause: 'the app holds a file open under a name that is gone, while another name of it is left',
    fix: 'Remove its other names too, or close it.',
  },
  {
    pattern: /Can't dump that handle|Can't find suitable path for handle/,
    code: 'checkpoint_unsupported',
    cause: 'the app watches a file or directory by inotify that can not be told by its path',
    fix: 'Watch no single file that is mounted by itself (/etc/hosts), and keep what is watched in one of the usual directories of the root.',
  },
  {
    pattern: /MPTCP/,
    code: 'checkpoint_unsupported',
    cause: 'the app holds an MPTCP socket',
    fix: 'Switch MPTCP off (Go: GODEBUG=multipathtcp=0).',
  },
  {
    pattern: /Unsupported proto|Unknown socket collected|The socket has data to read|corked dgram socket|in-flight socket/,
    code: 'checkpoint_unsupported',
    cause: 'the app holds a socket that CRIU can not checkpoint',
    fix: 'A dry run names it: `thaw capture TEMPLATE --dry-run`.',
  },
  {
    pattern: /Can't dump file .* of that type .*\(anon/,
    code: 'checkpoint_unsupported',
    cause: 'the app holds a kernel object that CRIU can not checkpoint',
    fix: 'A dry run names it: `thaw capture TEMPLATE --dry-run`.',
  },
  {
    pattern: /zombie \d+ .*found while seizing/,
    code: 'checkpoint_unsupported',
    cause: 'a process of the app is being traced',
    fix: 'Detach debuggers and profilers.',
  },
  {
    pattern: /Can't lookup mount=/,
    code: 'checkpoint_unsupported',
    cause: 'a descriptor of the app points to a file outside of its mounts',
    fix: 'Close descriptors inherited from outside.',
  },
  {
    pattern: /chr dev|of that type .*\(chr|Can't dump.*(?:device|\/dev\/)|nvidia|\/dev\/kfd/i,
    code: 'checkpoint_unsupported',
    cause: 'the app has a device open that CRIU can not checkpoint',
    fix: 'Devices and GPUs are not supported; close the device before the checkpoint.',
  },
  {
    pattern: /(?:inotify|fanotify|timerfd|userfaultfd|bpf|perf_event|memfd_secret).*(?:Can't|unsupported|not supported)/i,
    code: 'checkpoint_unsupported',
    cause: 'the app holds a kernel object that CRIU can not checkpoint',
    fix: 'See the log for the kind of object.',
  },
  {
    pattern: /(?:ptrace|seize).*(?:Operation not permitted|EPERM)|is (?:already )?being traced/i,
    code: 'checkpoint_unsupported',
    cause: 'a process of the app is being traced',
    fix: 'Detach debuggers and profilers.',
  },
  {
    pattern: /No space left on device/,
    code: 'disk_reserve',
    cause: 'the disk is full',
    fix: 'Free disk space on the node, or delete goldens that are not in use.',
  },
];

const restoreRules: readonly Rule[] = [
  {
    pattern: /Can't bind inet socket/,
    code: 'checkpoint_unsupported',
    cause: 'the app has a socket bound to one address instead of all; the address belongs to the primer',
    fix: 'Let the app listen on 0.0.0.0, and close connected UDP sockets (resolvers, metrics, syslog) before the checkpoint.',
  },
  {
    pattern: /Can't (?:fork|restore) .*: File exists|Pid \d+ .*(?:in use|mismatch|already)/i,
    code: 'restore_failed',
    cause: 'a process number was taken',
    fix: 'Try again.',
  },
  {
    pattern: /CPU (?:capabilities|instruction set)|cpu.*(?:incompatible|mismatch|validate)/i,
    code: 'restore_failed',
    cause: "this node's CPU lacks features that the golden was taken with",
    fix: 'Take a golden on a node of this kind.',
  },
  {
    pattern: /Cannot allocate memory|Can't .*mmap.*ENOMEM/,
    code: 'memory_reserve',
    cause: 'there was not enough memory',
    fix: "Raise the template's memoryBytes, or free memory on the node.",
  },
  {
    pattern: /No space left on device/,
    code: 'disk_reserve',
    cause: 'the disk is full',
    fix: 'Free disk space on the node, or delete goldens that are not in use.',
  },
];

const tailLength = 200_000;

/** The cause in plain words, from CRIU's log. Unknown ones are told with the last error lines. */
export function explainDumpFailure(log: string): CriuFailure {
  return explain(log, dumpRules, 'checkpoint_failed');
}

export function explainRestoreFailure(log: string): CriuFailure {
  return explain(log, restoreRules, 'restore_failed');
}

export function readLogTail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-tailLength);
  } catch {
    return '';
  }
}

function explain(log: string, rules: readonly Rule[], otherwise: ProblemCode): CriuFailure {
  const errors = log
    .split('\n')
    .filter((line) => line.includes('Error ('))
    .map((line) => line.replace(/^.*Error \([^)]*\)\s*:\s*/, '').trim()); // a source file's name (seize.c) is no cause
  const text = errors.length > 0 ? errors.join('\n') : log;
  const rule = rules.find(({ pattern }) => pattern.test(text));
  if (rule) return { code: rule.code, cause: rule.cause, fix: rule.fix };
  const last = errors.slice(-3).join('; ');
  return { code: otherwise, cause: last || 'CRIU gave no reason', fix: "Read CRIU's log." };
}
