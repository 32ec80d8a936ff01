import { dirname, join } from 'node:path';
import { z } from 'zod';
import { runTool } from '#src/platform/run-tool.ts';
import { archiveInvalid } from './archive-problems.ts';
import { lookBelow } from './look-below.ts';
import { readDump } from './read-engine.ts';

const unpackTimeoutMs = 15 * 60_000;
const socketsTimeoutMs = 60_000;

/** What only an overlay understands: it may be set by our own tars alone. */
export const overlayAttributes = ['trusted.overlay.opaque'];

/**
 * Unpacks a checked tar (checkLayer) into a directory. GNU tar makes a link that leads out of the directory last of all, so nothing is written
 * through one of the same tar; a directory that holds links already is no place for a second tar.
 */
export async function unpackLayer(
  file: string,
  name: string,
  directory: string,
  attributes: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const xattrs = attributes.map((pattern) => `--xattrs-include=${pattern}`);
  const owners = ['--numeric-owner', '--same-owner', '--same-permissions', '--xattrs', ...xattrs];
  await runTool('the unpacking of the archive', ['tar', '--extract', '--file', file, '--directory', directory, ...owners], {
    timeoutMs: unpackTimeoutMs,
    diesWithUs: true,
    signal,
    explain: (cause) => archiveInvalid(name, `could not be unpacked: ${cause.message}`, cause),
  });
}

const Sockets = z.array(z.object({ path: z.string(), mode: z.int().min(0).max(0o7777), uid: z.int().min(0), gid: z.int().min(0) }));

/** Node has no mknod, and a socket of a server that it closes is gone: perl's are not. Names come in as hexadecimal digits: they are bytes. */
const makeSockets = `
while (<STDIN>) {
  my ($path, $mode, $uid, $gid) = split;
  my ($directory, $name) = pack('H*', $path) =~ m{^(.*)/([^/]*)$}s or die "no path";
  chdir $directory or die "$directory: $!";
  my $socket;
  socket($socket, PF_UNIX, SOCK_STREAM, 0) && bind($socket, sockaddr_un($name)) or die "$name: $!";
  chmod($mode, $name) && chown($uid, $gid, $name) or die "$name: $!";
}`;

/** Of the layer in `directory`, from the list beside it. */
export async function unpackSockets(file: string, name: string, directory: string): Promise<void> {
  const sockets = readDump(file, Sockets);
  if (sockets.length === 0) return;
  for (const { path } of sockets) requireDirectories(directory, path, name);
  const lines = sockets.map(({ path, mode, uid, gid }) =>
    [Buffer.from(join(directory, path), 'latin1').toString('hex'), mode, uid, gid].join(' '),
  );
  await runTool('the unpacking of the archive', ['perl', '-MSocket', '-e', makeSockets], {
    timeoutMs: socketsTimeoutMs,
    input: lines.join('\n'),
    explain: (cause) => archiveInvalid(name, `lists what can not be made: ${cause.message}`, cause),
  });
}

/** Throws archive_invalid unless `path` is below and only real directories lead there: through a link it would be made elsewhere. */
export function requireDirectories(directory: string, path: string, name: string): void {
  const isPlain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
  const parent = dirname(path);
  if (isPlain && lookBelow(directory, parent === '.' ? '' : parent)?.isDirectory()) return;
  throw archiveInvalid(name, `lists ${path}, to which no directory leads`);
}
