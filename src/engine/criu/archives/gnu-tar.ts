import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { programDirectories } from '#src/platform/find-program.ts';

const saidCharactersMax = 2000;

/** Files of a directory to be packed by GNU tar, as it alone reads extended attributes, hard links and names that are not UTF-8. */
export interface TarRequest {
  readonly directory: string;
  /** Names are bytes, one in each character. A directory stands for itself, not for what it holds. */
  readonly names: readonly string[];
  /** Extended attributes that are kept, as patterns. */
  readonly attributes: readonly string[];
}

/** What an app can set on its files and the kernel heeds. Never trusted.*, which is the overlay's own. */
export const appAttributes = ['user.*', 'security.capability'];

/** The bytes that `openTar` will give. GNU tar does not read what it packs into /dev/null: only the headers are made. */
export async function measureTar(request: TarRequest): Promise<number> {
  const tar = startTar(request, '/dev/null');
  tar.child.stdout.resume();
  const [code] = await once(tar.child, 'close');
  const bytes = /^Total bytes written: (\d+)/m.exec(tar.said())?.[1];
  if (code !== 0 || bytes === undefined) throw failed(request, code, tar.said());
  return Number(bytes);
}

/** The tar as a stream, which fails when tar does. The same files make the same bytes. */
export function openTar(request: TarRequest): Readable {
  const tar = startTar(request, '-');
  const { child } = tar;
  child.once('error', (error) => child.stdout.destroy(error));
  child.once('exit', (code) => {
    if (code !== 0) child.stdout.destroy(failed(request, code, tar.said()));
  });
  child.stdout.once('close', () => child.kill()); // whoever reads gave up
  return child.stdout;
}

function startTar(request: TarRequest, file: string): { child: ChildProcessByStdio<Writable, Readable, Readable>; said: () => string } {
  const child = spawn('tar', tarArguments(request, file), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: programDirectories.join(':'), LC_ALL: 'C' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-saidCharactersMax);
  });
  child.stdin.on('error', () => {}); // told by the exit code
  child.stdin.end(request.names.join('\0'), 'latin1');
  return { child, said: () => said };
}

function tarArguments({ directory, attributes }: TarRequest, file: string): string[] {
  const xattrs = attributes.map((pattern) => `--xattrs-include=${pattern}`);
  // Times of reading and of inode changes, or the number of this process, would make each tar another one.
  const steady = ['--format=posix', '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f'];
  const list = ['--null', '--no-recursion', '--files-from=-'];
  return ['--create', '--totals', '--file', file, '--directory', directory, '--numeric-owner', '--xattrs', ...xattrs, ...steady, ...list];
}

function failed({ directory }: TarRequest, code: unknown, said: string): Error {
  return new Error(`tar of ${directory} failed with exit code ${code}: ${said.trim()}`);
}
