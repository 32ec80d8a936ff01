import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { EntryHeader } from './tar-header.ts';

export interface SmallEntry {
  readonly header: EntryHeader;
  readonly content?: string | Buffer;
}

/** A tar of a few small entries, in memory. All belong to root and have the time 0: the same entries make the same bytes. */
export async function packTar(entries: readonly SmallEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { header, content } of entries) tar.entry({ uid: 0, gid: 0, mtime: new Date(0), ...header }, content ?? '');
  tar.finalize();
  return await buffer(tar);
}
