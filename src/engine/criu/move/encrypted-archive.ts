import { chmodSync, createReadStream, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { type ArchiveLayout, archiveNames } from '#src/engine/criu/archives/archive.ts';
import { walkTree } from '#src/engine/criu/walk-tree.ts';

const pieceBytes = 1024 * 1024;

/**
 * Writes an encrypted golden as it lies there, wrapped key and signature included, into `sink`, which is ended. Nobody reads it but a node that
 * has the key.
 */
export async function writeEncryptedArchive(directory: string, sink: Writable, signal: AbortSignal): Promise<void> {
  const tar = pack();
  const packing = packFiles(tar, directory, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  const [packed, flowed] = await Promise.allSettled([packing, pipeline(tar, sink, { signal })]);
  if (packed.status === 'rejected') throw packed.reason; // the other only says that the stream ended too soon
  if (flowed.status === 'rejected') throw flowed.reason;
}

/** Takes the files of an unpacked archive away into `directory`, which is not there yet, with the modes that its manifest names. */
export function installEncrypted({ own }: ArchiveLayout, directory: string): void {
  renameSync(own, directory);
  chmodSync(directory, 0o700);
  for (const { location, stats } of walkTree(directory)) chmodSync(location, stats.isDirectory() ? 0o700 : 0o400);
}

async function packFiles(tar: Pack, directory: string, signal: AbortSignal): Promise<void> {
  for (const { path, stats } of walkTree(directory)) {
    if (!stats.isFile()) continue;
    const header = { name: join(archiveNames.own, path), size: Number(stats.size), mode: 0o600, mtime: new Date(0) };
    await pipeline(createReadStream(join(directory, path), { highWaterMark: pieceBytes }), tar.entry(header), { signal });
  }
  tar.finalize();
}
