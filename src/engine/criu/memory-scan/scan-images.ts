import { closeSync, constants, createReadStream, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import type { GoldenLayout } from '#src/engine/criu/instance-layout.ts';
import { walkTree } from '#src/engine/criu/walk-tree.ts';
import { searchStream } from '#src/engine/secrets/search-stream.ts';
import { createSecretSearch, type Extent, type SecretSearch } from '#src/engine/secrets/secret-search.ts';
import { SecretTally } from '#src/engine/secrets/secret-tally.ts';
import { listMemoryParts } from './memory-parts.ts';

const chunkBytes = 1024 * 1024;

/**
 * Searches all that a golden's app has left: the memory of each process, what else CRIU keeps of it (tmpfs, pipes, sockets, deleted files)
 * and the files that it wrote, with their names. Blocks its thread for most of the time. Archives and compressed files of the app's own are not looked into.
 */
export async function scanImages({ image, diff }: Pick<GoldenLayout, 'image' | 'diff'>, canaries: readonly string[]): Promise<SecretTally> {
  const search = createSecretSearch(canaries);
  const tally = new SecretTally();
  const parts = listMemoryParts(image);
  for (const { file, where, extents } of parts) await scanFile(search, tally, file, where, extents);
  const known = new Set(parts.map(({ file }) => file));
  for (const name of readdirSync(image)) {
    const file = join(image, name);
    if (known.has(file)) continue;
    if (name.endsWith('.tar.gz.img')) await scanTmpfs(search, tally, file);
    else await scanFile(search, tally, file, name);
  }
  await scanFiles(search, tally, diff);
  return tally;
}

async function scanFiles(search: SecretSearch, tally: SecretTally, diff: string): Promise<void> {
  for (const { path, location, stats } of walkTree(diff)) {
    const name = Buffer.from(path, 'latin1').subarray(path.lastIndexOf('/') + 1);
    for (const kind of kindsIn(search, name)) tally.add(kind, 'the name of a file');
    if (stats.isFile()) await scanFile(search, tally, location, `/${Buffer.from(path, 'latin1').toString('utf8')}`);
  }
}

async function scanFile(search: SecretSearch, tally: SecretTally, file: string | Buffer, where: string, extents?: readonly Extent[]) {
  const told = kindsIn(search, Buffer.from(where)).length === 0 ? where : 'a place whose name is no less secret';
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    tally.addBytes(await searchStream(search, readChunks(fd), extents, (kind) => tally.add(kind, told)));
  } finally {
    closeSync(fd);
  }
}

function kindsIn(search: SecretSearch, name: Buffer): string[] {
  const kinds: string[] = [];
  search.search(
    name,
    0,
    name.length,
    () => ({ start: 0, end: name.length }),
    (kind) => kinds.push(kind),
  );
  return kinds;
}

/** CRIU keeps the content of a tmpfs as a compressed archive. */
async function scanTmpfs(search: SecretSearch, tally: SecretTally, file: string): Promise<void> {
  const archive = createReadStream(file);
  const content = createGunzip({ chunkSize: chunkBytes });
  archive.on('error', (error) => content.destroy(error));
  tally.addBytes(await searchStream(search, archive.pipe(content), undefined, (kind) => tally.add(kind, 'a tmpfs')));
}

/** One buffer for all: each chunk is good until the next. */
function* readChunks(fd: number): Generator<Uint8Array> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) yield chunk.subarray(0, read);
}
