import { type ChildProcess, spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isErrnoError } from '#src/platform/errno.ts';
import { programDirectories } from '#src/platform/find-program.ts';

/** With all that overlayfs means: whiteouts are devices, opaque directories have trusted attributes. */
const kept = ['--numeric-owner', '--xattrs', '--xattrs-include=*', '--acls', '--blocking-factor=512'];
/** Not ours: TAR_OPTIONS of whoever started us would change what is packed. */
const env = { PATH: programDirectories.join(':'), LC_ALL: 'C' };
const timeoutMs = 10 * 60_000;
const complaintCharactersMax = 2000;

/**
 * The tree below a directory as one stream, with modes, owners, times, links, devices and extended attributes. Without the files of unix
 * sockets: nobody listens there until the app that CRIU restores has bound them again.
 */
export async function* packTree(directory: string): AsyncGenerator<Buffer> {
  const child = spawn('tar', ['--create', '--format=posix', '--sparse', ...kept, '-C', directory, '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    env,
  });
  const ended = endOf(child, `packing ${directory}`);
  try {
    for await (const piece of child.stdout) yield piece;
    await ended;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Unpacks what `packTree` made into an empty directory. Throws when anything could not be made as it was, or what `pieces` throws. */
export async function unpackTree(pieces: AsyncIterable<Buffer>, directory: string): Promise<void> {
  const child = spawn('tar', ['--extract', '--preserve-permissions', '--same-owner', '--warning=no-timestamp', ...kept, '-C', directory], {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: timeoutMs,
    env,
  });
  const [fed, ended] = await Promise.allSettled([
    pipeline(Readable.from(pieces), child.stdin),
    // An attribute that can not be set is a warning to tar: user.* in a tmpfs needs kernel 6.6.
    endOf(child, `unpacking into ${directory}`).then((complaint) => {
      if (complaint !== '') throw new Error(`unpacking into ${directory} was not complete: ${complaint}`);
    }),
  ]);
  if (fed.status === 'rejected' && !isErrnoError(fed.reason, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE')) throw fed.reason;
  if (ended.status === 'rejected') throw ended.reason; // it may have ended before all was fed, but well: what follows the end is padding
}

/** What it said on stderr. Rejects when it failed. */
function endOf(child: ChildProcess, what: string): Promise<string> {
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => {
    if (said.length < complaintCharactersMax) said += piece.toString('utf8');
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`${what} failed: tar could not be run`, { cause })));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said.trim());
      else reject(new Error(`${what} failed: tar ended with ${signal ?? `exit code ${code}`}: ${said.trim()}`));
    });
  });
  ended.catch(() => {}); // told to whoever waits for it
  return ended;
}
